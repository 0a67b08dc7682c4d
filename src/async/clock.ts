/** Time as an argument: production uses {@link SYSTEM_CLOCK}, tests one that they move by hand. */

import { startTimer } from "./background.ts";

export interface Clock {
  /** Milliseconds on a clock that never jumps. */
  now(): number;
  /**
   * Calls `action` once after `milliseconds`, unless the timer is disposed of before. What it throws is
   * reported, and ends nothing.
   */
  after(milliseconds: number, action: () => void): Disposable;
}

/** What a JavaScript timer can wait, about 25 days, in milliseconds; a longer one fires at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

export const SYSTEM_CLOCK: Clock = {
  now: () => performance.now(),
  after(milliseconds, action) {
    const timer = startTimer(Math.min(milliseconds, LONGEST_TIMER), "run a timer", action);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};
