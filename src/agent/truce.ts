/**
 * Somebody else may hold another opinion of what is ours, and undo each of our repairs at once. So
 * only so many repairs are made in a row; then that kind of thing is left alone until the next
 * resync, when it is repaired again.
 */

/** Repairs of one kind within the window that make a war. */
const LIMIT = 20;
/** Milliseconds. */
const WINDOW = 10_000;
/** Milliseconds without another war after which it is over. */
const MEMORY = 10 * 60_000;

export class Truce<Kind extends string> {
  /** When each kind was repaired, in milliseconds. */
  readonly #repairs = new Map<Kind, number[]>();
  readonly #suspended = new Set<Kind>();
  /** When each kind was suspended last. */
  readonly #wars = new Map<Kind, number>();

  /** Somebody changed these kinds of things, and we changed them back. */
  repaired(kinds: Iterable<Kind>, now: number): void {
    for (const kind of kinds) {
      const recent = (this.#repairs.get(kind) ?? []).filter((time) => now - time < WINDOW);
      recent.push(now);
      this.#repairs.set(kind, recent);
      if (recent.length < LIMIT) continue;
      this.#suspended.add(kind);
      this.#wars.set(kind, now);
    }
  }

  /** Is this kind to be left alone? */
  isSuspended(kind: Kind): boolean {
    return this.#suspended.has(kind);
  }

  /** Everything may be repaired again. */
  resume(): void {
    this.#suspended.clear();
    this.#repairs.clear();
  }

  /** The kinds that were fought over lately. */
  contested(now: number): Kind[] {
    for (const [kind, time] of this.#wars) if (now - time >= MEMORY) this.#wars.delete(kind);
    return [...this.#wars.keys()];
  }
}
