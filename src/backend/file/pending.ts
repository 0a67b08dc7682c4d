/** Things to do soon: each once, however often it was asked for, and many together. */

import { startTimer } from "../../async/background.ts";

export class Pending<T> implements Disposable {
  readonly #handle: (items: readonly T[]) => unknown;
  /** When each is due, on the monotonic clock. */
  readonly #due = new Map<T, number>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;
  /** Nothing is handled before this. */
  #restUntil = 0;

  /** What `handle` throws or rejects with ends nothing: see `inBackground`. */
  constructor(handle: (items: readonly T[]) => unknown) {
    this.#handle = handle;
  }

  /** Handles the item in so many milliseconds; that replaces what was said of it before. */
  set(item: T, delay: number): void {
    this.#due.set(item, performance.now() + delay);
    this.#arm();
  }

  /** The same, unless it is due sooner already. */
  setAtLatest(item: T, delay: number): void {
    const due = this.#due.get(item);
    if (due === undefined || due > performance.now() + delay) this.set(item, delay);
  }

  /** Handles nothing for so many milliseconds, so that more comes together. */
  rest(delay: number): void {
    this.#restUntil = performance.now() + delay;
    this.#arm();
  }

  has(item: T): boolean {
    return this.#due.has(item);
  }

  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#due.size === 0 || this.#closed) return;
    const first = Math.max(Math.min(...this.#due.values()), this.#restUntil);
    this.#timer = startTimer(
      Math.max(0, first - performance.now()),
      "read files",
      () => this.#fire(),
    );
  }

  #fire(): unknown {
    const now = performance.now();
    const items = [...this.#due].filter(([, due]) => due <= now).map(([item]) => item);
    for (const item of items) this.#due.delete(item);
    this.#arm();
    return items.length > 0 ? this.#handle(items) : undefined;
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }
}
