/**
 * What listens to the world for a server on the loopback device. Deno's own server has no limit for
 * connections, ends when there is no file descriptor for one more, and keeps the certificate it was
 * started with. So it listens on the loopback device only, and this passes connections on to it,
 * byte by byte and a limited number at a time.
 */

import { inBackground } from "../async/background.ts";
import { sleep } from "../async/sleep.ts";
import { listenOn } from "./listen.ts";
import { close, relay } from "./relay.ts";

export const LOOPBACK = "127.0.0.1";

/** Milliseconds until another try when no connection can be accepted (no file descriptors left). */
const PAUSE = 100;

/** Where a connection goes; disposed of when it has ended. */
export interface Route extends Disposable {
  /** On the loopback device. */
  readonly port: number;
}

export interface FrontOptions {
  /** Connections at a time; at one more the one that was silent for longest is closed. */
  readonly most: number;
  /** Asked for each connection. */
  readonly route: () => Promise<Route>;
}

export class Front implements Disposable {
  readonly #options: FrontOptions;
  readonly #listener: Deno.TcpListener;
  /** The one that was silent for longest first. */
  readonly #open = new Set<Deno.TcpConn>();
  /** Work on each connection, from its first byte to its last. */
  readonly #passing = new Set<Promise<void>>();

  /** Listens at an address as Go writes it; throws if it cannot. */
  constructor(address: string, options: FrontOptions) {
    this.#options = options;
    this.#listener = listenOn(address, (where) => Deno.listen(where));
    inBackground("accept connections", () => this.#accept());
  }

  /** Where it listens: of port 0 the one that it got. */
  get port(): number {
    return this.#listener.addr.port;
  }

  /** Takes no more connections; those that are open may go on. Call it once. */
  close(): void {
    this.#listener.close();
  }

  /** When all connections of now have ended. */
  async ended(): Promise<void> {
    await Promise.all(this.#passing);
  }

  /** Cuts all connections; to be closed before. */
  [Symbol.dispose](): void {
    for (const connection of this.#open) close(connection);
  }

  /** Until the listener is closed. */
  async #accept(): Promise<void> {
    for (;;) {
      try {
        const passing = this.#passOn(await this.#listener.accept());
        this.#passing.add(passing);
        inBackground(
          "pass a connection on",
          () => passing.finally(() => this.#passing.delete(passing)),
        );
      } catch (error) {
        if (error instanceof Deno.errors.BadResource) return; // closed
        if (error instanceof Deno.errors.Interrupted) return;
        await sleep(PAUSE);
      }
    }
  }

  async #passOn(connection: Deno.TcpConn): Promise<void> {
    this.#heard(connection);
    try {
      using route = await this.#options.route();
      const inner = await Deno.connect({ hostname: LOOPBACK, port: route.port });
      await relay(connection, inner, () => this.#heard(connection));
    } catch {
      close(connection); // no file descriptors left: the client shall try again
    }
    this.#open.delete(connection);
  }

  /** The connection is new, or has said something. */
  #heard(connection: Deno.TcpConn): void {
    this.#open.delete(connection);
    this.#open.add(connection);
    if (this.#open.size <= this.#options.most) return;
    const oldest = this.#open.values().next().value!;
    this.#open.delete(oldest);
    close(oldest);
  }
}
