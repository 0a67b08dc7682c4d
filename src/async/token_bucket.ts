/** So many actions a second, with bursts. */

import { type Clock, SYSTEM_CLOCK } from "./clock.ts";
import { sleep } from "./sleep.ts";

export class TokenBucket {
  readonly #interval: number;
  readonly #burst: number;
  readonly #clock: Clock;
  /** When the bucket is full again; more than `burst` intervals ahead: it is empty. */
  #full: number;

  constructor(
    { perSecond, burst, clock = SYSTEM_CLOCK }: {
      readonly perSecond: number;
      readonly burst: number;
      readonly clock?: Clock;
    },
  ) {
    this.#interval = 1000 / perSecond;
    this.#burst = burst;
    this.#clock = clock;
    this.#full = clock.now();
  }

  /** Takes a token if there is one; returns whether there was. */
  tryTake(): boolean {
    const now = this.#clock.now();
    const full = Math.max(this.#full, now) + this.#interval;
    if (full - this.#interval * this.#burst > now) return false;
    this.#full = full;
    return true;
  }

  /** Takes a token, a future one if the bucket is empty; returns the milliseconds until it is there. */
  reserve(): number {
    const now = this.#clock.now();
    this.#full = Math.max(this.#full, now) + this.#interval;
    return Math.max(0, this.#full - this.#interval * this.#burst - now);
  }

  /** Blocks all callers for `milliseconds`; after that tokens come one by one, without a burst. */
  block(milliseconds: number): void {
    const empty = this.#clock.now() + milliseconds + this.#interval * (this.#burst - 1);
    this.#full = Math.max(this.#full, empty);
  }

  /** Takes a token and waits until it is there, or the signal is aborted. */
  async take(signal?: AbortSignal): Promise<void> {
    const delay = this.reserve();
    if (delay > 0) await sleep(delay, { signal, clock: this.#clock });
  }
}
