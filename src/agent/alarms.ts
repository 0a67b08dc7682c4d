import { startTimer } from "../async/background.ts";

/** What a JavaScript timer can wait, about 25 days, in milliseconds; a longer one fires at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** Reasons to be marked later: each has one alarm, and setting it again replaces what was set. */
export class Alarms<Reason> implements Disposable {
  readonly #mark: (reason: Reason) => void;
  readonly #timers = new Map<Reason, number>();

  constructor(mark: (reason: Reason) => void) {
    this.#mark = mark;
  }

  /** Marks in so many milliseconds, or in 25 days if that is sooner; undefined: not at all. */
  set(reason: Reason, milliseconds: number | undefined): void {
    clearTimeout(this.#timers.get(reason));
    this.#timers.delete(reason);
    if (milliseconds === undefined) return;
    const delay = Math.min(milliseconds, LONGEST_TIMER);
    this.#timers.set(reason, startTimer(delay, "ring an alarm", () => this.#mark(reason)));
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }
}
