/**
 * A queue of reasons to work, for one worker. Equal reasons are one: a burst of a thousand events
 * is one pass of the worker, and what is added during a pass is the next one.
 */

import { type Clock, SYSTEM_CLOCK } from "./clock.ts";

export class WorkQueue<Reason> implements Disposable {
  readonly #clock: Clock;
  readonly #timers = new Map<Reason, Disposable>();
  #added = new Set<Reason>();
  #wake: (() => void) | undefined;
  #isClosed = false;

  constructor({ clock = SYSTEM_CLOCK }: { readonly clock?: Clock } = {}) {
    this.#clock = clock;
  }

  add(reason: Reason): void {
    this.#added.add(reason);
    this.#wake?.();
  }

  /**
   * Adds the reason after so many milliseconds (at most 25 days); undefined: not at all. A reason has
   * one timer, which this replaces.
   */
  addAfter(reason: Reason, milliseconds: number | undefined): void {
    this.#timers.get(reason)?.[Symbol.dispose]();
    this.#timers.delete(reason);
    if (milliseconds === undefined || this.#isClosed) return;
    const fire = () => {
      this.#timers.delete(reason);
      this.add(reason);
    };
    this.#timers.set(reason, this.#clock.after(milliseconds, fire));
  }

  /** Is a timer of this reason running? */
  isScheduled(reason: Reason): boolean {
    return this.#timers.has(reason);
  }

  /** All reasons added since the last call, as soon as there is one; undefined once closed. */
  async next(): Promise<ReadonlySet<Reason> | undefined> {
    while (this.#added.size === 0 && !this.#isClosed) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    this.#wake = undefined;
    if (this.#isClosed) return undefined;
    const reasons = this.#added;
    this.#added = new Set();
    return reasons;
  }

  /** Ends a waiting {@link next} and stops all timers; what is added from here on does not count. */
  close(): void {
    this.#isClosed = true;
    for (const timer of this.#timers.values()) timer[Symbol.dispose]();
    this.#timers.clear();
    this.#wake?.();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
