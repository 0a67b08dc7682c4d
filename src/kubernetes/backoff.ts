/** How long to wait before trying again. */

import { StatusError } from "./error.ts";
import { MAX_RETRY_AFTER } from "./retry_after.ts";

/** Milliseconds: the first pause, and the longest. */
const FIRST = 200;
const LONGEST = 3000;
/** Pauses double from {@link FIRST} to {@link LONGEST}; jitter keeps many clients apart. */
export class Backoff {
  readonly #random: () => number;
  #next = FIRST;

  /** `random`: 0 to below 1. */
  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** It worked: the next pause is the first again. */
  reset(): void {
    this.#next = FIRST;
  }

  /** Milliseconds to pause after this error: half to the whole of the pause, or what the server asks. */
  pause(error?: unknown): number {
    const pause = this.#next * (1 + this.#random()) / 2;
    this.#next = Math.min(this.#next * 2, LONGEST);
    const retryAfter = error instanceof StatusError ? error.retryAfter ?? 0 : 0;
    return Math.max(pause, Math.min(retryAfter * (1 + this.#random() / 4), MAX_RETRY_AFTER));
  }
}
