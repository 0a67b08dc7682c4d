/**
 * A way to the API server out of a network namespace that has none to this machine: passes on bytes
 * as a load balancer does.
 */

import { closeQuietly, relay } from "../../src/http/server/relay.ts";
import { inNetworkOf } from "../lab/network.ts";

export interface Place {
  /** Of a process in the network namespace. */
  readonly pid: number;
  /** One that the namespace has. */
  readonly address: string;
  /** There, and that of the API server on this machine's 127.0.0.1. */
  readonly port: number;
}

export class Door implements AsyncDisposable {
  readonly #place: Place;
  readonly #disposed: () => void;
  readonly #visitors = new Set<Deno.TcpConn>();
  #listener: Deno.TcpListener | undefined;
  #running: Promise<unknown> = Promise.resolve();

  /** It is open. */
  constructor(place: Place, disposed: () => void) {
    this.#place = place;
    this.#disposed = disposed;
    this.open();
  }

  /** Of the API server, as those in the namespace see it. */
  get url(): string {
    const { address, port } = this.#place;
    return `https://${address}:${port}`;
  }

  /** Lets in who comes. */
  open(): void {
    if (this.#listener) return;
    const { pid, address: hostname, port } = this.#place;
    this.#listener = inNetworkOf(pid, () => Deno.listen({ hostname, port }));
    this.#running = this.#accept(this.#listener);
  }

  /** Lets nobody in, as a machine does on which nothing listens, and throws out who is there. */
  async close(): Promise<void> {
    this.#listener?.close();
    this.#listener = undefined;
    this.#visitors.forEach(closeQuietly);
    await this.#running;
  }

  async #accept(listener: Deno.TcpListener): Promise<void> {
    const passing: Promise<void>[] = [];
    for await (const connection of listener) passing.push(this.#pass(connection));
    await Promise.all(passing);
  }

  async #pass(visitor: Deno.TcpConn): Promise<void> {
    this.#visitors.add(visitor);
    try {
      const server = await Deno.connect({ hostname: "127.0.0.1", port: this.#place.port });
      await relay(visitor, server);
    } catch {
      closeQuietly(visitor); // the server listens no more
    }
    this.#visitors.delete(visitor);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed();
    await this.close();
  }
}
