/**
 * A new peer gets a packet, so that WireGuard shakes hands now and not when somebody needs it. It
 * is mostly the side that heard of the other later that succeeds, and that is the one which sends
 * last.
 */

import { inBackground, startTimer } from "../async/background.ts";
import { PROBE_BATCH } from "../dataplane/probe_rate.ts";
import type { Desired } from "../mesh/desired.ts";
import type { IP } from "../net/ip.ts";
import type { Key } from "../net/key.ts";
import { sendEmptyDatagrams } from "../os/libc.ts";

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
    const addresses = this.#waiting.splice(0, PROBE_BATCH.count);
    inBackground("send first packets", () => sendEmptyDatagrams(addresses));
    this.#timer = startTimer(PROBE_BATCH.interval, "send first packets", () => this.#next());
  }
}

/** Each address to try of these peers. One without gets no packet. */
export function probesOf(keys: readonly Key[], { device }: Desired): IP[] {
  if (keys.length === 0) return [];
  const wanted = new Set(keys);
  return device.peers
    .filter(({ publicKey }) => wanted.has(publicKey))
    .flatMap(({ probe }) => probe ?? []);
}
