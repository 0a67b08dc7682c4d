/**
 * A plain HTTP server that never takes more than its share of the process's file descriptors, which
 * the mesh needs too.
 */

import { inBackground, startTimer } from "../async/background.ts";
import { describeError } from "../net/text.ts";
import { Front, LOOPBACK } from "./front.ts";

/** Connections at a time. */
const MOST_CONNECTIONS = 64;

/** Milliseconds until another try when no server can be started (no file descriptors left). */
const PAUSE = 100;

type Handler = (request: Request) => Response | Promise<Response>;

export interface Server extends Disposable {
  /** Where it listens: of port 0 the one that it got. */
  readonly port: number;
}

/**
 * Answers requests at an address as Go writes it. Throws if it cannot listen there. What the handler
 * throws is answered with status 500. Disposed of, it cuts all connections.
 */
export function serve(address: string, handler: Handler): Server {
  using resources = new DisposableStack();
  const backstage = resources.use(new Backstage(handler));
  const front = resources.use(
    new Front(address, {
      most: MOST_CONNECTIONS,
      route: () => Promise.resolve({ port: backstage.port, [Symbol.dispose]() {} }),
    }),
  );
  resources.defer(() => front.close());
  const all = resources.move();
  return { port: front.port, [Symbol.dispose]: () => all.dispose() };
}

/** Deno's server, and another one when it has ended. */
class Backstage implements Disposable {
  readonly #stop = new AbortController();
  readonly #handler: Handler;
  #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(handler: Handler) {
    this.#handler = handler;
    this.#server = this.#start();
  }

  get port(): number {
    return this.#server.addr.port;
  }

  #start(): Deno.HttpServer<Deno.NetAddr> {
    const server = Deno.serve({
      hostname: LOOPBACK,
      port: 0,
      signal: this.#stop.signal,
      onListen() {},
      onError: (error) => new Response(`${describeError(error)}\n`, { status: 500 }),
    }, this.#handler);
    inBackground("serve HTTP", () => server.finished.catch(() => this.#restart()));
    return server;
  }

  #restart(): void {
    if (this.#stop.signal.aborted) return;
    try {
      this.#server = this.#start();
    } catch {
      startTimer(PAUSE, "serve HTTP again", () => this.#restart());
    }
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
  }
}
