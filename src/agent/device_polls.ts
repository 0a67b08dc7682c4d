/**
 * When to poll the WireGuard device: it sends no notifications. Mostly that is a matter of seconds.
 * Whoever is new shakes hands at some time after it came, nobody knows when, and may be behind NAT:
 * then others learn from us where it is. So polls follow an addition at ever longer intervals, and
 * what happens some time after it is seen after the same time again at most.
 */

/** Milliseconds between polls of a device of up to {@link PEERS_A_POLL} peers; longer with more. */
const PERIOD = 5000;
const PEERS_A_POLL = 500;

/** Milliseconds from an addition to the first poll; longer with more peers, up to the second. */
const FIRST = 250;
const LONGEST_FIRST = 1000;

export class DevicePolls {
  /** Milliseconds from the last poll to the next; undefined: the usual period. */
  #interval: number | undefined;
  /** When the next poll is, on the caller's clock. */
  #due = Infinity;

  /** The device was polled; returns the milliseconds until the next time. */
  polled(now: number, peerCount: number): number {
    const period = PERIOD * scaleOf(peerCount);
    const interval = Math.min(this.#interval ?? period, period);
    this.#interval = interval < period ? 2 * interval : undefined;
    this.#due = now + interval;
    return interval;
  }

  /** Peers came; returns the milliseconds until the next poll, which is never put off by that. */
  added(now: number, peerCount: number): number {
    const first = Math.min(FIRST * scaleOf(peerCount), LONGEST_FIRST);
    this.#interval = 2 * first;
    this.#due = Math.min(this.#due, now + first);
    return Math.max(0, this.#due - now);
  }
}

function scaleOf(peerCount: number): number {
  return Math.max(1, peerCount / PEERS_A_POLL);
}
