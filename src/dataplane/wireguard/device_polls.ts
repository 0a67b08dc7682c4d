/**
 * When to poll the WireGuard device: it sends no notifications. Every few seconds is mostly enough.
 * But a new peer shakes hands at an unknown time after it was added, and others learn its address
 * from us when it is behind NAT. So polls follow an addition at doubling intervals: a handshake is
 * seen within twice the time it took.
 */

import { FIRST_POLL, MAX_FIRST_POLL, PEERS_PER_POLL, POLL_INTERVAL } from "./timing.ts";

export class DevicePolls {
  /** Milliseconds from the last poll to the next; undefined: the usual interval. */
  #interval: number | undefined;
  /** When the next poll is, on the caller's clock. */
  #due = Infinity;

  /** The device was polled; returns the milliseconds until the next time. */
  polled(now: number, peerCount: number): number {
    const usual = POLL_INTERVAL * scaleOf(peerCount);
    const interval = Math.min(this.#interval ?? usual, usual);
    this.#interval = interval < usual ? 2 * interval : undefined;
    this.#due = now + interval;
    return interval;
  }

  /** Peers were added; returns the milliseconds until the next poll, which is never postponed. */
  added(now: number, peerCount: number): number {
    const first = Math.min(FIRST_POLL * scaleOf(peerCount), MAX_FIRST_POLL);
    this.#interval = 2 * first;
    this.#due = Math.min(this.#due, now + first);
    return Math.max(0, this.#due - now);
  }
}

function scaleOf(peerCount: number): number {
  return Math.max(1, peerCount / PEERS_PER_POLL);
}
