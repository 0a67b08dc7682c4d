/** The measurements of one row: a mesh of one kind and size. */

import { type Expected, expected, type Manifest, objects, oneMore, type Size } from "./cluster.ts";
import { Files } from "./files.ts";
import { Machine, pause, type Start } from "./machine.ts";
import { NetlinkCount } from "./netlink_count.ts";
import { cpuTime, type Memory, memory } from "./process.ts";
import type { Samples } from "./statistics.ts";
import { timeTools, type ToolTimes } from "./tools.ts";

const CHANGES = 5;
const CHECK_INS = 10;
/** Those are counted under strace. */
const COUNTED_CHECK_INS = 3;
/** Seconds until agents have done all that a start brings with it. */
const SETTLE = 10;

/** A mesh and what the kernel must hold of it. */
export interface Mesh {
  readonly size: Size;
  readonly objects: readonly Manifest[];
  readonly desired: Expected;
}

export function meshOf(size: Size): Mesh {
  const all = objects(size);
  return { size, objects: all, desired: expected(all, size.kind) };
}

/** From exec to converged, and beside it what the usual tools take; of the same runs, in order. */
export interface Starts {
  readonly kg: readonly Start[];
  readonly tools: readonly ToolTimes[];
}

/** Of one object: milliseconds from the rename of its file until the kernel's routes follow. */
export interface Changes {
  readonly added: Samples;
  readonly changed: Samples;
  readonly removed: Samples;
}

/** Of an event that changes nothing. */
export interface CheckIns {
  /** Milliseconds of CPU, each. */
  readonly cpu: Samples;
  /** Netlink messages sent, each. */
  readonly messages: Samples;
}

/** What a mesh costs while something happens. */
export interface MeshFigures {
  readonly size: Size;
  readonly starts: Starts;
  readonly changes: Changes;
  readonly checkIns: CheckIns;
}

/** What it costs while nothing happens. */
export interface QuietFigures {
  readonly size: Size;
  /** Milliseconds of CPU in a minute. */
  readonly cpu: number;
  readonly memory: Memory;
}

/** Each start on a fresh machine, then one machine for all that happens to a mesh that stands. */
export async function measureMesh(
  mesh: Mesh,
  { program, runs, print }: {
    readonly program: string;
    readonly runs: number;
    /** Is told what is done. */
    readonly print: (progress: string) => void;
  },
): Promise<MeshFigures> {
  const starts = { kg: [] as Start[], tools: [] as ToolTimes[] };
  for (let run = 1; run <= runs; run++) {
    print(`start ${run} of ${runs}`);
    const { machine, start } = await converge(mesh, program);
    await using _machine = machine;
    starts.kg.push(start);
    starts.tools.push(await timeTools(machine.namespace, mesh.desired));
  }
  const { machine, files } = await converge(mesh, program);
  await using _machine = machine;
  print("changes");
  const changes = await measureChanges(mesh, { machine, files });
  print("check-ins");
  return { size: mesh.size, starts, changes, checkIns: await measureCheckIns(machine, files) };
}

/** Of all meshes side by side, since a quiet one does next to nothing. */
export async function measureQuiet(
  meshes: readonly Mesh[],
  { program, seconds }: { readonly program: string; readonly seconds: number },
): Promise<QuietFigures[]> {
  await using stack = new AsyncDisposableStack();
  const machines: Machine[] = [];
  for (const mesh of meshes) {
    machines.push(stack.use((await converge(mesh, program)).machine));
  }
  await pause(SETTLE * 1000);
  const before = machines.map(({ pid }) => cpuTime(pid));
  await pause(seconds * 1000);
  return machines.map(({ pid }, at) => ({
    size: meshes[at]!.size,
    cpu: (cpuTime(pid) - before[at]!) * 60 / seconds,
    memory: memory(pid),
  }));
}

/** The program runs and the mesh stands. */
interface Standing {
  readonly machine: Machine;
  /** The objects. */
  readonly files: Files;
  readonly start: Start;
}

async function converge({ size, objects, desired }: Mesh, program: string): Promise<Standing> {
  const machine = await Machine.create();
  try {
    const files = new Files(`${machine.directory}/cluster`);
    await files.install(objects);
    const granularity = size.kind === "nodes" ? "location" : "full";
    const flags = [...files.flags, `--mesh-granularity=${granularity}`];
    return { machine, files, start: await machine.start(program, { flags, desired }) };
  } catch (error) {
    await machine[Symbol.asyncDispose]();
    throw error;
  }
}

async function measureChanges(
  { size, objects, desired }: Mesh,
  { machine, files }: Omit<Standing, "start">,
): Promise<Changes> {
  const more = oneMore(size);
  const desiredStates = {
    added: expected([...objects, more.added], size.kind),
    changed: expected([...objects, more.changed], size.kind),
  };
  const changes = { added: [] as number[], changed: [] as number[], removed: [] as number[] };
  for (let n = 0; n < CHANGES; n++) {
    changes.added.push(await machine.change(files.placing(more.added), desiredStates.added));
    changes.changed.push(await machine.change(files.placing(more.changed), desiredStates.changed));
    changes.removed.push(await machine.change(files.removing(), desired));
  }
  return changes;
}

async function measureCheckIns(machine: Machine, files: Files): Promise<CheckIns> {
  const cpu: number[] = [];
  const messages: number[] = [];
  await machine.rest();
  for (let n = 0; n < CHECK_INS; n++) {
    const before = cpuTime(machine.pid);
    await files.checkIn();
    await machine.rest();
    cpu.push(cpuTime(machine.pid) - before);
  }
  await using count = await NetlinkCount.attach(machine.pid, {
    file: `${machine.directory}/strace`,
  });
  for (let n = 1; n <= COUNTED_CHECK_INS; n++) {
    const before = count.messages;
    await files.checkIn();
    await machine.rest();
    messages.push(count.messages - before);
    if (count.opened(files.statusName) < n) {
      throw new Error(`check-in ${n} was not read, or strace does not see it`);
    }
  }
  return { cpu, messages };
}
