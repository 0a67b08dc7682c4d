/** One watch: a stream of events, a JSON object a line. */

import { startTimer } from "../async/background.ts";
import type { Client, Query } from "./client.ts";
import { ConnectionError, IdleTimeoutError, ReplacedError, StatusError } from "./error.ts";
import { link } from "./link.ts";
import { readLines } from "./lines.ts";
import type { KubernetesObject, Representation, Status } from "./object.ts";

export interface WatchEvent<T extends KubernetesObject> {
  /** Of a bookmark the object has a resource version and perhaps annotations, nothing else. */
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
  readonly object: T;
}

export interface WatchOptions {
  readonly query: Query;
  readonly representation: Representation;
  /** Milliseconds between two batches of events; 0: each as it comes. */
  readonly batchInterval: number;
  /** Milliseconds without a byte after which the connection counts as dead. */
  readonly idleTimeout: number;
  readonly signal: AbortSignal;
}

/**
 * Resolves when the server begins to answer; then batches of events, until the server ends the
 * stream. A {@link StatusError} is what the server says (`isGone`: list anew), anything else a
 * {@link ConnectionError}, of which {@link IdleTimeoutError} and {@link ReplacedError} are two.
 */
export async function openWatch<T extends KubernetesObject>(
  { client, path }: { readonly client: Client; readonly path: string },
  options: WatchOptions,
): Promise<AsyncGenerator<readonly WatchEvent<T>[]>> {
  const ending = new AbortController();
  using opening = new DisposableStack();
  opening.use(link(options.signal, ending));
  const { body, session } = await client.stream(path, {
    query: { ...options.query, watch: 1 },
    accept: options.representation,
    ending,
  });
  const what = `${client.describe("GET", path)} (watch)`;
  opening.use(link(session.replaced, ending));
  const { replaced } = session;
  return readEvents<T>(body, { ...options, what, ending, replaced, linked: opening.move() });
}

async function* readEvents<T extends KubernetesObject>(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  { what, ending, replaced, linked, batchInterval, idleTimeout, signal }: WatchOptions & {
    what: string;
    ending: AbortController;
    replaced: AbortSignal;
    linked: Disposable;
  },
): AsyncGenerator<readonly WatchEvent<T>[]> {
  using _linked = linked;
  using idle = new IdleTimer(idleTimeout, () => ending.abort());
  try {
    for await (const lines of readLines(stream, { batchInterval, signal: ending.signal })) {
      idle.restart();
      yield lines.map((line) => parseEvent<T>(line, what));
      idle.restart(); // the consumer may have been slow
    }
  } catch (cause) {
    if (cause instanceof StatusError || cause instanceof ConnectionError) throw cause;
    if (!ending.signal.aborted) throw new ConnectionError(`${what} was cut`, { cause });
  }
  if (signal.aborted) return;
  if (replaced.aborted) throw new ReplacedError(`${what}: the credentials are other ones now`);
  if (ending.signal.aborted) {
    throw new IdleTimeoutError(`${what}: silent for ${idleTimeout / 1000} s`);
  }
}

function parseEvent<T extends KubernetesObject>(line: string, what: string): WatchEvent<T> {
  let event: { type: string; object: unknown };
  try {
    event = JSON.parse(line);
  } catch {
    throw new ConnectionError(`${what}: half an event was sent`);
  }
  if (event.type !== "ERROR") return event as WatchEvent<T>;
  const { code = 500, reason, message } = event.object as Status;
  const words = [reason, message].filter(Boolean).join(": ");
  throw new StatusError(`${what}: ${code} ${words}`, { code });
}

/** Calls `expired` once, when it was not restarted for the timeout. */
class IdleTimer implements Disposable {
  readonly #timeout: number;
  readonly #expired: () => void;
  #restarted = performance.now();
  #timer: number;

  constructor(milliseconds: number, expired: () => void) {
    this.#timeout = milliseconds;
    this.#expired = expired;
    this.#timer = this.#start(milliseconds);
  }

  restart(): void {
    this.#restarted = performance.now();
  }

  #check(): void {
    const left = this.#restarted + this.#timeout - performance.now();
    if (left <= 0) this.#expired();
    else this.#timer = this.#start(left);
  }

  #start(milliseconds: number): number {
    return startTimer(milliseconds, "end an idle watch", () => this.#check());
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
