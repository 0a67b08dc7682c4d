/** A running kg. */

import type { Namespace } from "./namespace.ts";

/** One line of its log: a JSON object. */
export interface LogLine {
  readonly ts: string;
  readonly level: string;
  readonly component: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export class Agent {
  readonly #child: Deno.ChildProcess;
  readonly #read: Promise<unknown>;
  #stdout = "";
  #stderr = "";
  /** How it ended; undefined while it runs. */
  ended: Deno.CommandStatus | undefined;

  private constructor(child: Deno.ChildProcess, logFile: string) {
    this.#child = child;
    const append = (text: string) => Deno.writeTextFileSync(logFile, text, { append: true });
    this.#read = Promise.all([
      follow(child.stdout, (text) => (this.#stdout += text, append(text))),
      follow(child.stderr, (text) => (this.#stderr += text, append(text))),
    ]);
    child.status.then((status) => this.ended = status);
  }

  /** Starts it; what it prints is kept, and added to the file too. */
  static start(
    namespace: Namespace,
    command: readonly string[],
    { logFile, env = {} }: { logFile: string; env?: Readonly<Record<string, string>> },
  ): Agent {
    const child = namespace.spawn(command, { env: { ...env }, stdout: "piped", stderr: "piped" });
    return new Agent(child, logFile);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** The log so far, only whole lines; a line that is no JSON object is an error. */
  get log(): LogLine[] {
    return this.#stdout.split("\n").slice(0, -1).map((line) => JSON.parse(line) as LogLine);
  }

  /** What it printed on standard error, where only usage errors and crashes belong. */
  get stderr(): string {
    return this.#stderr;
  }

  /** All it printed, for people. */
  get output(): string {
    return this.#stdout + this.#stderr;
  }

  /** Sends a signal and answers how it ended; for one that does not end it use {@link kill}. */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<Deno.CommandStatus> {
    this.kill(signal);
    return await this.end();
  }

  /** Sends a signal; nothing happens if it has ended already. */
  kill(signal: Deno.Signal): void {
    if (!this.ended) this.#child.kill(signal);
  }

  /** Waits until it has ended by itself and all it printed is here. */
  async end(): Promise<Deno.CommandStatus> {
    const status = await this.#child.status;
    await this.#read;
    return status;
  }
}

async function follow(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  take: (text: string) => void,
) {
  for await (const text of stream.pipeThrough(new TextDecoderStream())) take(text);
}
