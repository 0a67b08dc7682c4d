/**
 * THE lab: a world of network namespaces on this machine in which kg runs as it does on real nodes.
 * The demo and the tests share it. Nothing leaves the machine, and nothing is left on it: all
 * namespaces and processes end with {@link Lab}, or with the process that made it, however it ends.
 *
 * ```ts
 * await using lab = await Lab.create();
 * const [berlin, , tokyo] = lab.nodes;
 * for (const node of lab.nodes) await node.startAgent();
 * await lab.waitFor("pods reach each other", () => tokyo.pings(berlin));
 * ```
 */

import { parseNode } from "../../src/mesh/read_node.ts";
import { parsePeer } from "../../src/mesh/read_peer.ts";
import { isComplete, isReadyPeer } from "../../src/mesh/readiness.ts";
import { type Topology, topology } from "../../src/mesh/topology.ts";
import type { Key } from "../../src/net/key.ts";
import { parsePrefix } from "../../src/net/prefix.ts";
import { FILES, Manifests } from "./directory.ts";
import { nodeObject } from "./manifests.ts";
import { Namespace } from "./namespace.ts";
import { LabNode, ownFiles } from "./node.ts";
import type { Backend, Objects } from "./objects.ts";
import { LabPeer } from "./peer.ts";
import { leaksIn, privateKeyOf } from "./secrets.ts";
import { type Crossing, crossing } from "./traffic.ts";
import { waitFor } from "./wait.ts";
import { cables, INTERNET, machines, podOf, setups } from "./wiring.ts";
import { THREE_LOCATIONS, type World } from "./world.ts";

export interface LabOptions {
  readonly world?: World;
  /** Where Nodes and Peers are; default: in a directory. */
  readonly backend?: Backend;
  /** The kg to run; default: the built one. */
  readonly program?: string;
  /** Path of a BoringTun that makes the nodes' WireGuard interfaces. */
  readonly boringtun?: string;
}

export class Lab implements AsyncDisposable {
  readonly #machines: ReadonlyMap<string, Namespace>;
  readonly nodes: readonly LabNode[];
  readonly peers: readonly LabPeer[];
  /** Keys that no log may hold, besides the private keys of the nodes. */
  readonly secrets = new Set<Key>();

  private constructor(
    readonly world: World,
    /** Holds the logs, and the manifests if they are files. */
    readonly directory: string,
    readonly objects: Objects,
    machines: ReadonlyMap<string, Namespace>,
    { program, boringtun }: { program: string; boringtun: string | undefined },
  ) {
    this.#machines = machines;
    this.nodes = world.nodes.map((spec) =>
      new LabNode(spec, {
        namespace: this.machine(spec.name),
        pod: this.machine(podOf(spec.name)),
        objects,
        program,
        boringtun,
        logFile: `${directory}/${spec.name}.log`,
      })
    );
    this.peers = world.peers.map((spec) => new LabPeer(spec, this.machine(spec.name)));
  }

  /**
   * Builds the world: machines, cables, addresses, routes, NAT, pods; WireGuard interfaces on nodes
   * where the kernel cannot make them; a Node object each. No kg runs yet, no Peer exists.
   */
  static async create(
    { world = THREE_LOCATIONS, backend = FILES, program = PROGRAM, boringtun }: LabOptions = {},
  ): Promise<Lab> {
    const directory = await makeDirectory();
    const opened = new Map<string, Namespace>();
    let objects: Objects | undefined;
    try {
      const own = [...world.nodes, ...world.peers].map(({ name }) => name);
      await all(machines(world), async (name) => {
        const setup = own.includes(name) ? ownFiles(`${directory}/${name}`) : "";
        opened.set(name, await Namespace.open(name, setup));
      });
      await plug(cables(world, (name) => opened.get(name)!.pid));
      await all([...setups(world)], async ([name, script]) => {
        await opened.get(name)!.script(script);
      });
      objects = await backend.open({ directory, internet: opened.get(INTERNET)! });
      const lab = new Lab(world, directory, objects, opened, { program, boringtun });
      await all(lab.nodes, async (node) => {
        await lab.objects.put(nodeObject(node.spec));
        await node.setUpWireGuard();
      });
      return lab;
    } catch (error) {
      await Namespace.end([...opened.values()]);
      await objects?.[Symbol.asyncDispose]();
      await Deno.remove(directory, { recursive: true });
      throw error;
    }
  }

  node(name: string): LabNode {
    return found(this.nodes.find((node) => node.spec.name === name), name);
  }

  peer(name: string): LabPeer {
    return found(this.peers.find((peer) => peer.spec.name === name), name);
  }

  /** The directory of manifests, in a lab that has one. */
  get manifests(): Manifests {
    if (this.objects instanceof Manifests) return this.objects;
    throw new RangeError("the objects of this lab are in no directory");
  }

  /** Any namespace, routers and pods too, by its name in {@link machines}. */
  machine(name: string): Namespace {
    return found(this.#machines.get(name), name);
  }

  /** What has crossed the internet so far. */
  async crossing(): Promise<Crossing> {
    return await crossing(this.machine(INTERNET));
  }

  /** The mesh as the agents' published annotations make it, seen by one node. */
  async topology({ hostname = this.world.nodes[0]!.name } = {}): Promise<Topology> {
    const options = { topologyLabel: "topology.kubernetes.io/region" };
    const nodes = (await this.objects.nodes()).map((object) => parseNode(object, options).node);
    const peers = (await this.objects.peers()).map((object) => parsePeer(object).peer);
    return topology({ nodes: nodes.filter(isComplete), peers: peers.filter(isReadyPeer) }, {
      hostname,
      granularity: nodes.find((node) => node.granularity)?.granularity ?? "location",
      subnet: parsePrefix("10.4.0.0/16")!,
    });
  }

  /** {@link waitFor}, and what the agents last said if it comes to nothing. */
  async waitFor<T>(
    what: string,
    condition: () => T | Promise<T>,
    options: { timeout?: number } = {},
  ): Promise<NonNullable<T>> {
    try {
      return await waitFor(what, condition, options);
    } catch (error) {
      if (error instanceof Error) error.message += `\n${this.report()}`;
      throw error;
    }
  }

  /** The last lines of every agent, for people. */
  report({ lines = 15 } = {}): string {
    return this.nodes.filter((node) => node.agent).map(({ spec, agent }) => {
      const state = agent!.ended ? `ended with code ${agent!.ended.code}` : "runs";
      const tail = agent!.output.trimEnd().split("\n").slice(-lines);
      return [`${spec.name} (${state}):`, ...tail].join("\n  ");
    }).join("\n");
  }

  /** Takes it all down; rejects if there is a key in a log. */
  async [Symbol.asyncDispose](): Promise<void> {
    const keys = this.nodes.flatMap((node) => privateKeyOf(node) ?? []);
    await Namespace.end([...this.#machines.values()]);
    await Promise.all(this.nodes.map((node) => node.agent?.end()));
    await this.objects[Symbol.asyncDispose]();
    const leaks = this.#leaks([...keys, ...this.secrets]);
    await Deno.remove(this.directory, { recursive: true });
    if (leaks.length > 0) throw new Error(`there are keys in logs: ${leaks.join(", ")}`);
  }

  /** `NAME.log:LINE` */
  #leaks(keys: readonly Key[]): string[] {
    const logs = [...Deno.readDirSync(this.directory)].filter(({ name }) => name.endsWith(".log"));
    return logs.flatMap(({ name }) =>
      leaksIn(Deno.readTextFileSync(`${this.directory}/${name}`), keys)
        .map((line) => `${name}:${line}`)
    );
  }
}

const PROGRAM = new URL("../../dist/kg", import.meta.url).pathname;

/** Of a lab whose process was killed nothing is left but its directory: the next lab removes it. */
async function makeDirectory(): Promise<string> {
  for (const { name } of Deno.readDirSync("/tmp")) {
    const maker = /^kg-lab-(\d+)-/.exec(name)?.[1];
    if (maker === undefined || await isAlive(maker)) continue;
    await Deno.remove(`/tmp/${name}`, { recursive: true }).catch(() => {});
  }
  return await Deno.makeTempDir({ dir: "/tmp", prefix: `kg-lab-${Deno.pid}-` });
}

async function isAlive(pid: string): Promise<boolean> {
  return await Deno.stat(`/proc/${pid}`).then(() => true, () => false);
}

async function plug(batch: string): Promise<void> {
  const child = new Deno.Command("ip", { args: ["-batch", "-"], stdin: "piped", stderr: "piped" })
    .spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(batch));
  await writer.close();
  const { success, stderr } = await child.output();
  if (!success) {
    throw new Error(`the cables of the lab: ${new TextDecoder().decode(stderr).trim()}`);
  }
}

/** Does something to all at once, and fails only when every one has come to its end. */
async function all<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const results = await Promise.allSettled(items.map(work));
  const failed = results.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
}

function found<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new RangeError(`there is no ${name} in this lab`);
  return value;
}
