/**
 * Repair backoff. What others change behind our back is repaired at once. But somebody may disagree
 * about what is ours, and undo each repair. So repairs of one kind are limited:
 *
 * ```
 *           LIMIT repairs within WINDOW               the pause is over, or a resync
 *  repaired ───────────────────────────► backed off ───────────────────────────────► repaired
 *  at once                               (left alone)                                at once
 * ```
 *
 * The first pause is short. Each next one within {@link MEMORY} is twice as long; a resync ends all.
 */

/** Repairs of one kind within the window after which it is backed off. */
const LIMIT = 20;
/** Milliseconds. */
const WINDOW = 10_000;
/** Milliseconds: enough for a program that only wants to be sure it has flushed everything. */
const FIRST_PAUSE = 500;
/** Milliseconds after a pause within which the next one is twice as long. */
const MEMORY = 10 * 60_000;

/** The repairs of one kind. Times are monotonic, in milliseconds. */
interface History {
  /** When it was repaired within the window. */
  repairs: number[];
  isBackedOff: boolean;
  /** Length and end of the last pause. */
  pause: number;
  until: number;
}

export class RepairBackoff<Kind extends string> {
  /** Changed by others, not yet repaired. */
  readonly #changed = new Set<Kind>();
  readonly #histories = new Map<Kind, History>();
  readonly #causes: Readonly<Partial<Record<Kind, readonly Kind[]>>>;

  /** `causes`: a change of these kinds changes the kind itself, too, and nobody meant that. */
  constructor(causes: Readonly<Partial<Record<Kind, readonly Kind[]>>>) {
    this.#causes = causes;
  }

  /** Others changed something of these kinds; returns those to repair now. */
  add<K extends Kind>(kinds: readonly K[]): K[] {
    const admitted = kinds.filter((kind) => !this.#isBackedOff(kind));
    for (const kind of admitted) this.#changed.add(kind);
    return admitted;
  }

  /** The kinds to repair, added or resumed since the last call. */
  take(): ReadonlySet<Kind> {
    const changed = new Set(this.#changed);
    this.#changed.clear();
    return changed;
  }

  /** Others had changed these kinds, and we changed them back. */
  repaired(kinds: ReadonlySet<Kind>, now: number): void {
    for (const kind of kinds) {
      if (this.#causes[kind]?.some((cause) => kinds.has(cause))) continue;
      const history = this.#history(kind);
      history.repairs = [...history.repairs.filter((time) => now - time < WINDOW), now];
      if (history.repairs.length < LIMIT) continue;
      const isRecent = now - history.until < MEMORY;
      history.pause = isRecent ? history.pause * 2 : FIRST_PAUSE;
      history.until = now + history.pause;
      history.isBackedOff = true;
      history.repairs = [];
    }
  }

  /** Milliseconds until the next pause is over; undefined: there is none. */
  nextResume(now: number): number | undefined {
    const ends = [...this.#histories.values()].flatMap(({ isBackedOff, until }) =>
      isBackedOff ? until : []
    );
    return ends.length === 0 ? undefined : Math.max(0, Math.min(...ends) - now);
  }

  /** Ends the pauses that are over. Returns their kinds, which {@link take} returns, too. */
  resume(now: number): Kind[] {
    const over = [...this.#histories].filter(([, { isBackedOff, until }]) =>
      isBackedOff && now >= until
    );
    for (const [kind, history] of over) {
      history.isBackedOff = false;
      this.#changed.add(kind);
    }
    return over.map(([kind]) => kind);
  }

  /** Ends all pauses. */
  resumeAll(): void {
    for (const history of this.#histories.values()) history.isBackedOff = false;
  }

  /** The kinds that were backed off lately, and for which one pause was not enough. */
  backedOff(now: number): Kind[] {
    return [...this.#histories]
      .filter(([, { pause, until }]) => pause > FIRST_PAUSE && now - until < MEMORY)
      .map(([kind]) => kind);
  }

  /** Is this kind left alone now, or what changes it? */
  #isBackedOff(kind: Kind): boolean {
    return [kind, ...this.#causes[kind] ?? []]
      .some((each) => this.#histories.get(each)?.isBackedOff);
  }

  #history(kind: Kind): History {
    let history = this.#histories.get(kind);
    if (!history) {
      history = { repairs: [], isBackedOff: false, pause: 0, until: -Infinity };
      this.#histories.set(kind, history);
    }
    return history;
  }
}
