/**
 * A new peer gets a packet, so that WireGuard shakes hands now and not when somebody needs it. It
 * is mostly the side that heard of the other later that succeeds, and that is the one which sends
 * last.
 */

import { inBackground, startTimer } from "../async/background.ts";
import type { Desired } from "../mesh/desired.ts";
import type { IP } from "../net/ip.ts";
import type { Key } from "../net/key.ts";
import { sendEmptyDatagrams } from "../os/libc.ts";

/** So many packets every so many milliseconds: 50 a second at most, which is bearable at both ends. */
const PACKETS = 10;
const INTERVAL = 200;

export class Handshakes implements Disposable {
  #waiting: IP[] = [];
  #timer: number | undefined;

  /** Sends a packet to each, the first few at once. */
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
    if (this.#waiting.length === 0) return;
    const addresses = this.#waiting.splice(0, PACKETS);
    inBackground("send first packets", () => sendEmptyDatagrams(addresses));
    this.#timer = startTimer(INTERVAL, "send first packets", () => this.#next());
  }
}

/** An address behind each of these peers; a segment's last one is its WireGuard address. */
export function addressesOf(keys: readonly Key[], { device }: Desired): IP[] {
  if (keys.length === 0) return [];
  const wanted = new Set(keys);
  return device.peers
    .filter(({ publicKey }) => wanted.has(publicKey))
    .flatMap(({ allowedIPs }) => allowedIPs.at(-1)?.ip ?? []);
}
