/**
 * An HTTP/1.1 server that never takes more than its share of the process: a bounded number of
 * connections, with an end to each wait, and requests from other machines at a bounded rate. It is
 * our own because Deno's has no limits, ends when there is no descriptor for one more connection,
 * and speaks HTTP/2, of which one connection carries hundreds of requests.
 */

import { inBackground } from "../../async/background.ts";
import { deadline, DeadlineError } from "../../async/deadline.ts";
import { sleep } from "../../async/sleep.ts";
import { TokenBucket } from "../../async/token_bucket.ts";
import { openLibc } from "../../os/libc.ts";
import { type ClientLimits, Clients } from "./clients.ts";
import { Connection, type Secure } from "./connection.ts";
import { listenOn } from "./listen.ts";
import type { Handler } from "./message.ts";
import { closeQuietly } from "./relay.ts";
import { Socket } from "./socket.ts";

/** Milliseconds until another try when no descriptor is left for one more connection. */
const SHORTAGE_PAUSE = 10;

/** Milliseconds without another shortage after which there may be as many connections as before. */
const SHORTAGE_MEMORY = 60_000;

/** There is no descriptor, or no memory, for one more connection. */
const SHORTAGES = ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"];

/** Connections closed for new ones, after which the loop must go round: until then they keep their descriptors. */
const MOST_CLOSED = 16;

export interface ServerOptions {
  readonly handler: Handler;
  readonly limits: ClientLimits;
  /** For requests from other machines; default: as fast as they come. */
  readonly rate?: { readonly perSecond: number; readonly burst: number };
  /** What is read and written instead of a connection's own bytes; if it rejects, that is closed. */
  readonly secure?: Secure;
}

export class HttpServer implements Disposable {
  readonly #options: ServerOptions;
  readonly #listeners: readonly Deno.TcpListener[];
  readonly #clients: Clients;
  readonly #bucket: TokenBucket | undefined;
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<void>>();
  /** Monotonic time, milliseconds. */
  #lastShortage = -Infinity;
  /** Connections closed since the event loop went round last. */
  #closed = 0;

  /** Listens at an address as Go writes it; throws if it cannot. */
  constructor(address: string, options: ServerOptions) {
    this.#options = options;
    this.#clients = new Clients(options.limits);
    this.#bucket = options.rate && new TokenBucket(options.rate);
    this.#listeners = listenOn(address);
    openLibc(); // as long as the program may
    for (const listener of this.#listeners) {
      inBackground("accept connections", () => this.#accept(listener));
    }
  }

  /** Where it listens: of port 0 the one that it got. */
  get port(): number {
    return this.#listeners[0]!.addr.port;
  }

  /** Takes no more connections; requests that are there may end, within so many milliseconds. */
  async stop(timeout: number): Promise<void> {
    this.#closeListeners();
    for (const client of this.#clients) client.stop();
    const ended = Promise.all(this.#running);
    await deadline(ended, { milliseconds: timeout, what: "answering" }).catch((error) => {
      if (!(error instanceof DeadlineError)) throw error;
    });
    this[Symbol.dispose]();
  }

  /** Cuts all connections. */
  [Symbol.dispose](): void {
    this.#closeListeners();
    for (const client of this.#clients) client.close();
    this.#closing.abort();
  }

  #closeListeners(): void {
    for (const listener of this.#listeners) closeQuietly(listener);
  }

  /** Until the listener is closed. */
  async #accept(listener: Deno.TcpListener): Promise<void> {
    for (;;) {
      try {
        const socket = new Socket(await listener.accept());
        inBackground("serve a connection", () => this.#serve(socket));
        if (this.#closed < MOST_CLOSED) continue;
        this.#closed = 0;
        await sleep(0);
      } catch (error) {
        if (error instanceof Deno.errors.BadResource) return; // closed
        if (error instanceof Deno.errors.Interrupted) return;
        if (!isShortage(error)) continue; // the client is gone already, and so is its connection
        this.#clients.shrink();
        this.#lastShortage = performance.now();
        await sleep(SHORTAGE_PAUSE, { signal: this.#closing.signal });
      }
    }
  }

  async #serve(socket: Socket): Promise<void> {
    if (performance.now() - this.#lastShortage > SHORTAGE_MEMORY) this.#clients.restore();
    const isOwn = socket.isFromHere;
    const { handler, secure } = this.#options;
    const bucket = isOwn ? undefined : this.#bucket;
    const connection: Connection = new Connection({
      ...{ socket, secure, handler },
      turn: () => bucket?.take(this.#closing.signal),
      moved: () => this.#clients.moved(connection),
    });
    this.#closed += this.#clients.add(connection, { isOwn });
    const running = connection.run();
    this.#running.add(running);
    await running;
    this.#running.delete(running);
    this.#clients.delete(connection);
  }
}

function isShortage(error: unknown): boolean {
  return error instanceof Error && "code" in error && SHORTAGES.includes(String(error.code));
}
