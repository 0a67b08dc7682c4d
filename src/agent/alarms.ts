/** Reasons to be marked later: each has one alarm, and setting it again replaces what was set. */
export class Alarms<Reason> implements Disposable {
  readonly #mark: (reason: Reason) => void;
  readonly #timers = new Map<Reason, number>();

  constructor(mark: (reason: Reason) => void) {
    this.#mark = mark;
  }

  /** Marks in so many milliseconds; undefined: not at all. */
  set(reason: Reason, milliseconds: number | undefined): void {
    clearTimeout(this.#timers.get(reason));
    this.#timers.delete(reason);
    if (milliseconds === undefined) return;
    this.#timers.set(reason, setTimeout(() => this.#mark(reason), milliseconds));
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }
}
