/** Requests a second, with bursts: a bucket of tokens that fills up again. */

import { sleep } from "../async/sleep.ts";

export class RateLimit {
  readonly #interval: number;
  readonly #burst: number;
  readonly #now: () => number;
  /** When the bucket would be full; more than burst intervals ahead: it is empty. */
  #full: number;

  /** `now`: milliseconds on a clock that never jumps. */
  constructor(
    options: { readonly perSecond: number; readonly burst: number; readonly now?: () => number },
  ) {
    this.#interval = 1000 / options.perSecond;
    this.#burst = options.burst;
    this.#now = options.now ?? (() => performance.now());
    this.#full = this.#now();
  }

  /** Takes a token, one that is still to come if need be, and says in how many milliseconds it does. */
  reserve(): number {
    const now = this.#now();
    this.#full = Math.max(this.#full, now) + this.#interval;
    return Math.max(0, this.#full - this.#interval * this.#burst - now);
  }

  /** Nobody's turn comes for so many milliseconds; then one after the other, without a burst. */
  pause(milliseconds: number): void {
    const empty = this.#now() + milliseconds + this.#interval * (this.#burst - 1);
    this.#full = Math.max(this.#full, empty);
  }

  /** Waits for its turn. */
  async wait(signal?: AbortSignal): Promise<void> {
    const delay = this.reserve();
    if (delay > 0) await sleep(delay, { signal });
  }
}
