/**
 * Events only mark; one loop does the work. A burst of a thousand marks is one round of that loop,
 * and what is marked during a round is the next one.
 */
export class Trigger<Reason> {
  #marked = new Set<Reason>();
  #wake: (() => void) | undefined;
  #closed = false;

  mark(reason: Reason): void {
    this.#marked.add(reason);
    this.#wake?.();
  }

  /** No more rounds: a waiting {@link next} ends, marks no longer count. */
  close(): void {
    this.#closed = true;
    this.#wake?.();
  }

  /** All that was marked since the last call, as soon as there is something; undefined once closed. */
  async next(): Promise<ReadonlySet<Reason> | undefined> {
    while (this.#marked.size === 0 && !this.#closed) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    this.#wake = undefined;
    if (this.#closed) return undefined;
    const reasons = this.#marked;
    this.#marked = new Set();
    return reasons;
  }
}
