/** A plain HTTP server. */

import { describeError } from "../net/text.ts";
import { type ListenAddress, listenOn } from "./listen.ts";

/** Milliseconds until it is tried again to listen. */
const PAUSE = 100;

export interface Server extends Disposable {
  /** Where it listens: of port 0 the one that it got. */
  readonly port: number;
}

/**
 * Answers requests at an address as Go writes it. Throws if it cannot listen there. What the handler
 * throws is answered with status 500. Disposed of, it cuts all connections.
 */
export function serve(
  address: string,
  handler: (request: Request) => Response | Promise<Response>,
): Server {
  const stop = new AbortController();
  const start = (where: ListenAddress) => {
    const server = Deno.serve({
      ...where,
      signal: stop.signal,
      onListen() {},
      onError: (error) => new Response(`${describeError(error)}\n`, { status: 500 }),
    }, handler);
    server.finished.catch(() => restart(server.addr));
    return server;
  };
  // Deno's server ends, and all its connections, when there is no file descriptor for one more.
  const restart = (where: ListenAddress) => {
    if (stop.signal.aborted) return;
    try {
      start(where);
    } catch {
      setTimeout(restart, PAUSE, where);
    }
  };
  return { port: listenOn(address, start).addr.port, [Symbol.dispose]: () => stop.abort() };
}
