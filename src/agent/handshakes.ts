/**
 * A new peer gets a packet, so that WireGuard shakes hands now and not when somebody needs it. It
 * is mostly the side that heard of the other later that succeeds, and that is the one which sends
 * last.
 */

import type { IP } from "../net/ip.ts";
import { sendEmptyDatagram } from "./libc.ts";

/** Milliseconds between two packets. */
const INTERVAL = 20;

export class Handshakes implements Disposable {
  #waiting: IP[] = [];
  #timer: number | undefined;

  /** Sends a packet to each, the first at once, at most 50 a second. */
  provoke(addresses: Iterable<IP>): void {
    this.#waiting.push(...addresses);
    if (this.#timer === undefined) this.#next();
  }

  [Symbol.dispose](): void {
    this.#waiting = [];
    clearTimeout(this.#timer);
  }

  #next(): void {
    this.#timer = undefined;
    const address = this.#waiting.shift();
    if (!address) return;
    sendEmptyDatagram(address);
    this.#timer = setTimeout(() => this.#next(), INTERVAL);
  }
}
