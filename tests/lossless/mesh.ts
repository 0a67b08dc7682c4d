/** A mesh of agents with packets under way between all pods, and a change made to it meanwhile. */

import assert from "node:assert/strict";
import { Lab } from "../lab/lab.ts";
import { peerObject } from "../lab/manifests.ts";
import { peersReach, podsReach } from "../lab/mesh.ts";
import type { Backend } from "../lab/objects.ts";
import { INTERNET } from "../lab/wiring.ts";
import { THREE_LOCATIONS, type World } from "../lab/world.ts";
import { type End, type Fate, type Flow, Prober } from "./prober.ts";

/** As manifests have it: what an agent leaves when it stops is what the next one finds. */
export const FLAGS = ["--clean-up=false"];

/** Milliseconds between packets that the change affects, and between the others. */
const NEAR = 10;
const FAR = 50;

/** Milliseconds for which packets flow before the change, and after it is done. */
const BEFORE = 200;
const AFTER = 700;

/** Those of the demo, a node more in one of its locations, and one alone in another. */
export const WORLD: World = {
  ...THREE_LOCATIONS,
  sites: [...THREE_LOCATIONS.sites, { name: "lima", gateway: ["192.0.3.1/24"] }],
  nodes: [
    ...THREE_LOCATIONS.nodes,
    {
      name: "berlin-3",
      site: "berlin",
      location: "berlin",
      addresses: ["198.51.100.13/24", "10.1.0.13/24"],
      podCIDR: "10.42.5.0/24",
    },
    {
      name: "lima-1",
      site: "lima",
      location: "lima",
      addresses: ["192.0.3.51/24"],
      podCIDR: "10.42.6.0/24",
    },
  ],
};

/** Nodes of {@link WORLD} that are no part of the mesh at first. */
export const LATECOMERS = ["berlin-3", "lima-1"];

export interface MeshOptions {
  readonly backend: Backend;
  readonly world?: World;
  /** Nodes that do not exist yet. */
  readonly latecomers?: readonly string[];
}

export class Mesh implements AsyncDisposable {
  readonly #prober: string;

  private constructor(readonly lab: Lab, readonly backend: Backend) {
    this.#prober = `${lab.directory}/prober`;
  }

  /** A lab in which no agent runs yet. */
  static async create(
    { backend, world = THREE_LOCATIONS, latecomers = [] }: MeshOptions,
  ): Promise<Mesh> {
    const lab = await Lab.create({ world, backend });
    const mesh = new Mesh(lab, backend);
    for (const name of latecomers) await lab.objects.delete("Node", name);
    await Prober.compile(mesh.#prober);
    return mesh;
  }

  /** The pods on these nodes; by default on all that have an agent. */
  pods(...names: string[]): End[] {
    const nodes = names.length > 0
      ? names.map((name) => this.lab.node(name))
      : this.lab.nodes.filter(({ agent }) => agent);
    return nodes.map(({ name, pod, podAddress }) => ({
      name,
      namespace: pod,
      address: podAddress,
    }));
  }

  get laptop(): End {
    const { name, namespace, spec } = this.lab.peer("laptop");
    return { name, namespace, address: spec.allowedIPs[0]!.replace("/32", "") };
  }

  /** Somebody who knows nothing of the mesh; pods reach it masqueraded. */
  get outside(): End {
    return { name: "outside", namespace: this.lab.machine(INTERNET), address: "192.0.2.1" };
  }

  /** Starts the agents of these nodes, and waits for nothing. */
  async startAgents(...names: string[]): Promise<void> {
    await Promise.all(names.map((name) => this.lab.node(name).startAgent({ flags: FLAGS })));
  }

  /** Starts the agents of these nodes, and waits until all pods reach each other. */
  async start(...names: string[]): Promise<void> {
    await this.startAgents(...names);
    const running = this.lab.nodes.filter(({ agent }) => agent);
    await this.lab.waitFor("pods reach each other", () => podsReach(running));
  }

  /** Makes the laptop a Peer, configured as a person does it, and waits until it reaches all. */
  async addLaptop(): Promise<void> {
    const peer = this.lab.peer("laptop");
    await this.lab.objects.put(peerObject(peer.spec, await peer.publicKey()));
    await this.lab.waitFor("the laptop reaches all pods", () => peersReach(this.lab));
  }

  /**
   * Sends packets between all these ends, and from them to the outside, while the change is made;
   * often if either end is affected. Prints what became of them.
   */
  async during(
    what: string,
    { ends, affected, cut = [] }: {
      readonly ends: readonly End[];
      readonly affected: readonly string[];
      /** Those whose traffic the change itself cuts; told apart. */
      readonly cut?: readonly string[];
    },
    change: (prober: Prober) => Promise<void>,
  ): Promise<Fates> {
    const { outside } = this;
    const flows = pairs(ends).concat(ends.map((end) => [end, outside] as const))
      .filter(([from, to]) => !(from.name === "laptop" && to.name === "outside"))
      .flatMap(([from, to]): Flow[] => {
        const near = [from, to].some(({ name }) => affected.includes(name));
        const flow = { from, to, interval: near ? NEAR : FAR };
        return [{ ...flow, ports: "same" }, { ...flow, ports: "new" }];
      });
    await using prober = await Prober.start(this.#prober, flows);
    await pause(BEFORE);
    const start = prober.elapsed;
    await change(prober);
    const took = prober.elapsed - start;
    await pause(AFTER);
    const all = new Fates(await prober.stop());
    const others = all.without(...cut);
    const reported = cut.length > 0 ? `; of ${cut.join(" and ")} ${all.with(...cut)}` : "";
    const time = `the change took ${Math.round(took)} ms`;
    console.log(`measured: ${what} (${this.backend.name}): ${others}${reported} (${time})`);
    return all;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab[Symbol.asyncDispose]();
  }
}

/** What became of all packets, or of some. */
export class Fates {
  constructor(readonly all: readonly Fate[]) {}

  /** Only the flows that satisfy this. */
  where(condition: (fate: Fate) => boolean): Fates {
    return new Fates(this.all.filter(condition));
  }

  /** Only the flows of which an end is one of these. */
  with(...names: readonly string[]): Fates {
    return this.where(({ from, to }) => names.includes(from.name) || names.includes(to.name));
  }

  /** Only the other flows. */
  without(...names: readonly string[]): Fates {
    return this.where(({ from, to }) => !names.includes(from.name) && !names.includes(to.name));
  }

  get lost(): number {
    return sum(this.all.map(({ lost }) => lost));
  }

  /** Packets that came from an address from which they should not. */
  get wrong(): number {
    return sum(this.all.map(strangers));
  }

  /** Milliseconds of the longest time in which a flow lost all. */
  get longestGap(): number {
    return Math.max(0, ...this.all.flatMap(({ gaps }) => gaps.map(({ length }) => length)));
  }

  /** Every packet arrived, and as whose it should: masqueraded outside, and nowhere else. */
  assertLossless(): void {
    assert.ok(this.all.length > 0, "no flow at all");
    const bad = this.all.filter((fate) =>
      fate.sent === 0 || fate.lost > 0 || fate.duplicated > 0 || strangers(fate) > 0
    );
    assert.equal(bad.length, 0, `packets were lost:\n${bad.map(describe).join("\n")}`);
  }

  toString(): string {
    const sent = sum(this.all.map(({ sent }) => sent));
    const slowest = Math.max(...this.all.map(({ slowest }) => slowest));
    return `${this.lost} of ${sent} packets lost` +
      (this.lost > 0 ? `, longest gap ${this.longestGap} ms` : "") +
      (this.wrong > 0 ? `, ${this.wrong} under a wrong address` : "") +
      `, slowest ${slowest.toFixed(0)} ms`;
  }
}

/** A flow in a line, for people. */
export function describe(fate: Fate): string {
  const { from, to, ports, sent, lost, foreign, duplicated, slowest, gaps } = fate;
  const reported = gaps.slice(0, 5).map(({ at, length }) => `${length} ms at ${at} ms`).join(", ");
  return `  ${from.name} → ${to.name} (${ports}): ${lost} of ${sent} lost, ${foreign} masqueraded, ` +
    `${duplicated} twice, slowest ${slowest} ms${reported && `; gaps: ${reported}`}`;
}

/** Of one flow. */
function strangers({ to, sent, lost, foreign }: Fate): number {
  return to.name === "outside" ? sent - lost - foreign : foreign;
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function pairs<T>(items: readonly T[]): (readonly [T, T])[] {
  return items.flatMap((a) => items.filter((b) => b !== a).map((b) => [a, b] as const));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
