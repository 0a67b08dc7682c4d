/** Packets under way between machines all the time, and what became of each. */

import type { Namespace } from "../lab/namespace.ts";

/** Where packets are sent from and to. */
export interface End {
  readonly name: string;
  readonly namespace: Namespace;
  /** IPv4, one of its own. */
  readonly address: string;
}

export interface Flow {
  readonly from: End;
  readonly to: End;
  /** Milliseconds between packets, a multiple of 10. */
  readonly interval: number;
  /** `same`: one flow, in both directions if there is one back; `new`: another source port each. */
  readonly ports: "same" | "new";
}

/** What became of the packets of a flow. */
export interface Fate extends Flow {
  readonly sent: number;
  readonly lost: number;
  /** Arrived, but masqueraded. */
  readonly foreign: number;
  readonly reordered: number;
  readonly duplicated: number;
  /** Milliseconds of the longest way. */
  readonly slowest: number;
  readonly gaps: readonly Gap[];
}

/** A run of lost packets, in milliseconds. */
export interface Gap {
  /** When the first was sent, counted from the start. */
  readonly at: number;
  /** Until the next was sent that arrived. */
  readonly length: number;
}

/** What the program says when a packet of each flow has arrived. */
const ALIVE = "alive";

/** Milliseconds to wait for that. */
const TIMEOUT = 30_000;

export class Prober implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #flows: readonly Flow[];
  readonly #start = performance.now();
  readonly #lines: AsyncIterator<string>;

  private constructor(
    child: Deno.ChildProcess,
    flows: readonly Flow[],
    lines: AsyncIterator<string>,
  ) {
    this.#child = child;
    this.#flows = flows;
    this.#lines = lines;
  }

  /** Compiles the program that sends and counts. */
  static async compile(path: string): Promise<void> {
    const source = new URL("prober.c", import.meta.url).pathname;
    const { success, stderr } = await new Deno.Command("gcc", { args: ["-O2", "-o", path, source] })
      .output();
    if (!success) throw new Error(`${source}: ${new TextDecoder().decode(stderr)}`);
  }

  /** Packets flow once it is there. */
  static async start(program: string, flows: readonly Flow[]): Promise<Prober> {
    const child = new Deno.Command(program, { stdin: "piped", stdout: "piped" }).spawn();
    const lines = linesOf(child.stdout);
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(orders(flows)));
    writer.releaseLock();
    if ((await lines.next()).value !== "started") throw new Error("the prober did not start");
    return new Prober(child, flows, lines);
  }

  /** Milliseconds since the start. */
  get elapsed(): number {
    return performance.now() - this.#start;
  }

  /** Waits until a packet of each flow has arrived; once. */
  async alive(): Promise<void> {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), TIMEOUT);
    const { value } = await this.#lines.next();
    clearTimeout(timer);
    if (value !== ALIVE) throw new Error(`some flows are dead after ${TIMEOUT / 1000} s`);
  }

  /** Sends no more, and answers when everything has arrived or a second has passed. */
  async stop(): Promise<Fate[]> {
    await this.#child.stdin.close();
    const fates: Fate[] = [];
    for (const flow of this.#flows) {
      let line = await this.#lines.next();
      if (line.value === ALIVE) line = await this.#lines.next();
      if (line.done) throw new Error("the prober ended before its time");
      fates.push({ ...flow, ...parseFate(line.value) });
    }
    return fates;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // it has ended
    }
    await this.#lines.return?.();
    await this.#child.status;
  }
}

function orders(flows: readonly Flow[]): string {
  const ends = [...new Set(flows.flatMap(({ from, to }) => [from, to]))];
  // A port of its own, so that no connection of an earlier prober is remembered.
  const port = 20_000 + Math.floor(Math.random() * 10_000);
  const lines = [
    `port ${port}`,
    ...ends.map(({ namespace, address }) => `end ${namespace.pid} ${address}`),
    ...flows.map(({ from, to, interval, ports }) =>
      `flow ${ends.indexOf(from)} ${ends.indexOf(to)} ${interval / 10} ${ports}`
    ),
    "start",
  ];
  return lines.map((line) => `${line}\n`).join("");
}

function parseFate(line: string): Omit<Fate, keyof Flow> {
  const { gaps, ...counts } = JSON.parse(line);
  return {
    ...counts,
    gaps: gaps.map(([at, length]: [number, number]) => ({ at, length })),
  };
}

async function* linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
}
