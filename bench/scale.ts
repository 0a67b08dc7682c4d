/** The measurements of the row `kubernetes`: many Nodes and Peers in a real API server, one agent. */

import { scrape } from "../tests/lab/http.ts";
import { ApiCluster } from "./api_cluster.ts";
import { type Expected, expected, type Manifest, objects, oneMore } from "./cluster.ts";
import { Machine, pause, type Start } from "./machine.ts";
import type { Changes } from "./mesh.ts";
import { cpuTime, type Memory, memory } from "./process.ts";

const NODES = 1000;
const PEERS = 500;

const CHANGES = 5;

/** Seconds until agents do nothing but what they always do. */
const WARM_UP = 60;

export interface ScaleFigures {
  readonly nodes: number;
  readonly peers: number;
  readonly starts: readonly Start[];
  /** Of one Peer: milliseconds from the request to the API server until the kernel's routes follow. */
  readonly changes: Changes;
  /** Undefined: not watched. */
  readonly checkIns: CheckInFigures | undefined;
}

/** Of a time in which all nodes check in, and nothing else happens. */
export interface CheckInFigures {
  /** Milliseconds of CPU in a minute, in which each of them does so twice. */
  readonly cpu: number;
  /** After that minute. */
  readonly memory: Memory;
  /** Netlink messages that were written in it and may change something. */
  readonly writes: number;
}

/** Throws a `Refusal` where no API server can be had. */
export async function measureScale(
  { program, runs, seconds, print }: {
    readonly program: string;
    readonly runs: number;
    /** How long to watch the agent while nodes check in; 0: not at all. */
    readonly seconds: number;
    /** Is told what is done. */
    readonly print: (progress: string) => void;
  },
): Promise<ScaleFigures> {
  print("an API server and its objects");
  const all = [
    ...objects({ kind: "nodes", count: NODES }),
    ...objects({ kind: "peers", count: PEERS }).filter(({ kind }) => kind === "Peer"),
  ];
  const desired = expected(all, "nodes");
  await using cluster = await ApiCluster.start(all);
  const starts: Start[] = [];
  for (let run = 1; run <= runs; run++) {
    print(`start ${run} of ${runs}`);
    await using standing = await converge(cluster, { program, desired });
    starts.push(standing.start);
  }
  await using _checkIns = cluster.checkIns();
  await using standing = await converge(cluster, { program, desired });
  const { machine } = standing;
  print("changes");
  const changes = await measureChanges(machine, { cluster, all, desired });
  const figures = { nodes: NODES, peers: PEERS, starts, changes };
  if (seconds === 0) return { ...figures, checkIns: undefined };
  print(`check-ins, for ${WARM_UP + seconds} s`);
  return { ...figures, checkIns: await watch(machine, seconds) };
}

/** A machine on which the program runs and the mesh stands. */
interface Standing extends AsyncDisposable {
  readonly machine: Machine;
  readonly start: Start;
}

async function converge(
  cluster: ApiCluster,
  { program, desired }: { readonly program: string; readonly desired: Expected },
): Promise<Standing> {
  await using stack = new AsyncDisposableStack();
  const machine = stack.use(await Machine.create());
  const { door, flags } = await cluster.connect(machine);
  stack.use(door);
  const start = await machine.start(program, {
    flags: [...flags, "--mesh-granularity=location"],
    desired,
  });
  const all = stack.move();
  return { machine, start, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

async function measureChanges(
  machine: Machine,
  { cluster, all, desired }: {
    readonly cluster: ApiCluster;
    readonly all: readonly Manifest[];
    readonly desired: Expected;
  },
): Promise<Changes> {
  const more = oneMore({ kind: "peers", count: PEERS });
  const desiredStates = {
    added: expected([...all, more.added], "nodes"),
    changed: expected([...all, more.changed], "nodes"),
  };
  const changes = { added: [] as number[], changed: [] as number[], removed: [] as number[] };
  for (let n = 0; n < CHANGES; n++) {
    changes.added.push(await machine.change(() => cluster.add(more.added), desiredStates.added));
    changes.changed.push(
      await machine.change(() => cluster.change(more.changed), desiredStates.changed),
    );
    changes.removed.push(await machine.change(() => cluster.remove(more.added), desired));
  }
  return changes;
}

async function watch(machine: Machine, seconds: number): Promise<CheckInFigures> {
  await pause(WARM_UP * 1000);
  const written = await netlinkMessages(machine);
  const before = cpuTime(machine.pid);
  await pause(seconds * 1000);
  const cpu = (cpuTime(machine.pid) - before) * 60 / seconds;
  const after = memory(machine.pid);
  return { cpu, memory: after, writes: await netlinkMessages(machine) - written };
}

/** What kg says that it has written; never nothing, since the mesh stands. */
async function netlinkMessages({ namespace }: Machine): Promise<number> {
  const series = [...await scrape(namespace)];
  const counts = series.filter(([name]) => name.startsWith("kilo_netlink_messages_total"));
  const sum = counts.reduce((sum, [, count]) => sum + count, 0);
  if (sum === 0) throw new Error("kg does not count what it writes");
  return sum;
}
