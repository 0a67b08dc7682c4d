/**
 * What others changed behind our back is put right at once. But somebody may hold another opinion of
 * what is ours, and undo each of our repairs: so only so many are made in a row; then there is a
 * truce, that kind of thing is left alone for a while, each time twice as long, at most until the
 * next resync.
 */

/** Repairs of one kind within the window that make a pause. */
const LIMIT = 20;
/** Milliseconds. */
const WINDOW = 10_000;
/** Milliseconds: enough for a program that only wants to be sure it has flushed everything. */
const FIRST_PAUSE = 500;
/** Milliseconds after a pause in which another one belongs to the same war. */
const MEMORY = 10 * 60_000;

interface Front {
  /** When it was repaired lately, in milliseconds. */
  repairs: number[];
  isSuspended: boolean;
  /** Length and end of the last pause, in milliseconds. */
  pause: number;
  until: number;
}

export class Conflicts<Kind extends string> {
  /** What is to be put right. */
  readonly #open = new Set<Kind>();
  readonly #fronts = new Map<Kind, Front>();
  readonly #causes: Readonly<Partial<Record<Kind, readonly Kind[]>>>;

  /** `causes`: what each kind changes with, without anybody having meant it. */
  constructor(causes: Readonly<Partial<Record<Kind, readonly Kind[]>>>) {
    this.#causes = causes;
  }

  /** Others changed something of these kinds; answers those that are to be put right now. */
  raise<K extends Kind>(kinds: readonly K[]): K[] {
    const raised = kinds.filter((kind) => !this.#isSuspended(kind));
    for (const kind of raised) this.#open.add(kind);
    return raised;
  }

  /** All that is to be put right, since this was last asked. */
  take(): ReadonlySet<Kind> {
    const open = new Set(this.#open);
    this.#open.clear();
    return open;
  }

  /** Others changed these, and we changed them back. */
  repaired(kinds: ReadonlySet<Kind>, now: number): void {
    for (const kind of kinds) {
      if (this.#causes[kind]?.some((cause) => kinds.has(cause))) continue;
      const front = this.#front(kind);
      front.repairs = [...front.repairs.filter((time) => now - time < WINDOW), now];
      if (front.repairs.length < LIMIT) continue;
      const isSameWar = now - front.until < MEMORY;
      front.pause = isSameWar ? front.pause * 2 : FIRST_PAUSE;
      front.until = now + front.pause;
      front.isSuspended = true;
      front.repairs = [];
    }
  }

  /** Milliseconds until the next pause is over; undefined: there is none. */
  nextResume(now: number): number | undefined {
    const ends = [...this.#fronts.values()].flatMap((front) =>
      front.isSuspended ? front.until : []
    );
    return ends.length === 0 ? undefined : Math.max(0, Math.min(...ends) - now);
  }

  /** Ends the pauses that are over, and raises what was left alone. */
  resume(now: number): Kind[] {
    const over = [...this.#fronts].filter(([, { isSuspended, until }]) =>
      isSuspended && now >= until
    );
    for (const [kind, front] of over) {
      front.isSuspended = false;
      this.#open.add(kind);
    }
    return over.map(([kind]) => kind);
  }

  /** Everything may be repaired again. */
  resumeAll(): void {
    for (const front of this.#fronts.values()) front.isSuspended = false;
  }

  /** The kinds that were fought over lately: one pause was not enough. */
  contested(now: number): Kind[] {
    return [...this.#fronts]
      .filter(([, { pause, until }]) => pause > FIRST_PAUSE && now - until < MEMORY)
      .map(([kind]) => kind);
  }

  /** Is this kind to be left alone? */
  #isSuspended(kind: Kind): boolean {
    return [kind, ...this.#causes[kind] ?? []]
      .some((each) => this.#fronts.get(each)?.isSuspended);
  }

  #front(kind: Kind): Front {
    let front = this.#fronts.get(kind);
    if (!front) {
      front = { repairs: [], isSuspended: false, pause: 0, until: -Infinity };
      this.#fronts.set(kind, front);
    }
    return front;
  }
}
