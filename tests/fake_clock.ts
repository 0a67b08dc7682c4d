/** A clock that stands still until a test moves it. */

import type { Clock } from "../src/async/clock.ts";

interface Timer {
  readonly at: number;
  readonly action: () => void;
}

export class FakeClock implements Clock {
  #now = 0;
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.#now;
  }

  after(milliseconds: number, action: () => void): Disposable {
    const timer = { at: this.#now + Math.max(0, milliseconds), action };
    this.#timers.add(timer);
    return { [Symbol.dispose]: () => this.#timers.delete(timer) };
  }

  /** Timers that have neither fired nor been disposed of. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Moves on, firing what is due in order; promises that follow from it settle in between. */
  async advance(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds;
    for (;;) {
      await settle();
      const due = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.#now = Math.max(this.#now, due.at);
      this.#timers.delete(due);
      due.action();
    }
    this.#now = end;
    await settle();
  }
}

/** Lets everything that can go on without time passing do so. */
export async function settle(): Promise<void> {
  for (let n = 0; n < 20; n++) await Promise.resolve();
}
