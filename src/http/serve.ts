/**
 * A plain HTTP server that never takes more than its share of the process's file descriptors, which
 * the mesh needs too. Deno's own has no limit, and ends when there is no descriptor for one more
 * connection; so it listens on the loopback device only, and what listens to the world passes
 * connections on, a few at a time.
 */

import { describeError } from "../net/text.ts";
import { listenOn } from "./listen.ts";
import { close, relay } from "./relay.ts";

const LOOPBACK = "127.0.0.1";

/** Connections at a time; at one more the one that was silent for longest is closed. */
const MOST_CONNECTIONS = 64;

/** Milliseconds until another try when no connection can be accepted (no file descriptors left). */
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
  const listener = resources.use(listenOn(address, (where) => Deno.listen(where)));
  const connections = resources.use(new Connections());
  const backstage = resources.use(new Backstage(handler));
  passOn(listener, { connections, backstage });
  const all = resources.move();
  return { port: listener.addr.port, [Symbol.dispose]: () => all.dispose() };
}

/** Until the listener is closed. */
async function passOn(
  listener: Deno.TcpListener,
  { connections, backstage }: { connections: Connections; backstage: Backstage },
): Promise<void> {
  for (;;) {
    try {
      const connection = await listener.accept();
      connections.heard(connection);
      pass(connection, { connections, backstage });
    } catch (error) {
      if (error instanceof Deno.errors.BadResource) return; // closed
      if (error instanceof Deno.errors.Interrupted) return;
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
  }
}

async function pass(
  connection: Deno.TcpConn,
  { connections, backstage }: { connections: Connections; backstage: Backstage },
): Promise<void> {
  try {
    const inner = await Deno.connect({ hostname: LOOPBACK, port: backstage.port });
    await relay(connection, inner, () => connections.heard(connection));
  } catch {
    close(connection); // no file descriptors left: the client shall try again
  }
  connections.ended(connection);
}

/** Those that are open; the one that was silent for longest first. */
class Connections implements Disposable {
  readonly #open = new Set<Deno.TcpConn>();

  /** A connection is new, or has said something. */
  heard(connection: Deno.TcpConn): void {
    this.#open.delete(connection);
    this.#open.add(connection);
    if (this.#open.size <= MOST_CONNECTIONS) return;
    const oldest = this.#open.values().next().value!;
    this.ended(oldest);
    close(oldest);
  }

  ended(connection: Deno.TcpConn): void {
    this.#open.delete(connection);
  }

  [Symbol.dispose](): void {
    for (const connection of this.#open) close(connection);
  }
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
    server.finished.catch(() => this.#restart());
    return server;
  }

  #restart(): void {
    if (this.#stop.signal.aborted) return;
    try {
      this.#server = this.#start();
    } catch {
      setTimeout(() => this.#restart(), PAUSE);
    }
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
  }
}
