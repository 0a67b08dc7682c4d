/**
 * Sends a packet to each new peer, so that WireGuard shakes hands now and not when a pod needs it.
 * Mostly the side that heard of the other later succeeds, and it is also the one that sends last.
 */

import { inBackground, startTimer } from "../../async/background.ts";
import type { DeviceConfig } from "../../net/device.ts";
import type { IP } from "../../net/ip.ts";
import type { Key } from "../../net/key.ts";
import { sendEmptyDatagrams } from "../../os/libc.ts";
import { PACKET_BATCH } from "./timing.ts";

export class FirstPackets implements Disposable {
  #waiting: IP[] = [];
  #timer: number | undefined;

  /** Queues a packet to each address; the first few are sent at once. */
  send(addresses: Iterable<IP>): void {
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
    const addresses = this.#waiting.splice(0, PACKET_BATCH.count);
    inBackground("send first packets", () => sendEmptyDatagrams(addresses));
    this.#timer = startTimer(PACKET_BATCH.interval, "send first packets", () => this.#next());
  }
}

/** Each address of these peers that answers. A peer without one gets no packet. */
export function probesOf(keys: readonly Key[], device: DeviceConfig): IP[] {
  if (keys.length === 0) return [];
  const wanted = new Set(keys);
  return device.peers
    .filter(({ publicKey }) => wanted.has(publicKey))
    .flatMap(({ probe }) => probe ?? []);
}
