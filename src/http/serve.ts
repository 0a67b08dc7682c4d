/** A plain HTTP server. */

import { describeError } from "../net/text.ts";
import { listenOn } from "./listen.ts";

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
  const server = listenOn(address, (where) =>
    Deno.serve({
      ...where,
      signal: stop.signal,
      onListen() {},
      onError: (error) => new Response(`${describeError(error)}\n`, { status: 500 }),
    }, handler));
  return { port: server.addr.port, [Symbol.dispose]: () => stop.abort() };
}
