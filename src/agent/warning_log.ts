/** Logs warnings that stand for a while: each once, and a flood of them by its count. */

import type { Warning } from "../net/warning.ts";
import type { Log } from "./log.ts";

/** Milliseconds that a warning must be gone before it is logged again: some come and go. */
const QUIET = 10_000;

/** The first so many are logged at once, then one more, or their count, each {@link REFILL} ms. */
const LOGGED_AT_ONCE = 20;
const REFILL = 1000;

interface Standing {
  readonly warning: Warning;
  /** Logged by itself; else only counted. */
  isLogged: boolean;
  /** When it was first seen to hold no more; undefined: it holds. */
  ceased: number | undefined;
}

/**
 * Takes all warnings that hold at present, again and again, with a monotonic time in milliseconds.
 * Each is logged when it appears, and again only after it has ceased for {@link QUIET}. Of too many
 * at once the first are logged and the others counted; those are logged when others cease.
 */
export class WarningLog {
  readonly #log: Log;
  /** By {@link keyOf}. */
  readonly #known = new Map<string, Standing>();
  #room = LOGGED_AT_ONCE;
  #last = -Infinity;
  /** When the unlogged ones were last counted, and whether there are more by now. */
  #counted = -Infinity;
  #isMore = false;

  constructor(log: Log) {
    this.#log = log;
  }

  /** Returns the new ones. */
  update(present: readonly Warning[], now: number): readonly Warning[] {
    const byKey = new Map(present.map((warning) => [keyOf(warning), warning]));
    this.#forget(byKey, now);
    this.#room = Math.min(LOGGED_AT_ONCE, this.#room + (now - this.#last) / REFILL);
    this.#last = now;

    const fresh = [...byKey].filter(([key]) => !this.#known.has(key));
    const holding = [...this.#known.values()].filter(({ ceased }) => ceased === undefined);
    const waiting = holding.filter(({ isLogged }) => !isLogged);
    const added = fresh.map(([key, warning]): Standing => {
      const standing = { warning, isLogged: false, ceased: undefined };
      this.#known.set(key, standing);
      return standing;
    });
    const free = LOGGED_AT_ONCE - (holding.length - waiting.length) - added.length;
    const next = [...added, ...waiting.slice(0, Math.max(0, free))]
      .slice(0, Math.floor(this.#room));
    for (const standing of next) {
      standing.isLogged = true;
      const { code, text } = standing.warning;
      this.#log.warn(text, { code });
    }
    this.#room -= next.length;
    this.#isMore ||= next.length < added.length;
    this.#countOthers(added.length + waiting.length - next.length, now);
    return fresh.map(([, warning]) => warning);
  }

  #countOthers(count: number, now: number): void {
    if (!this.#isMore || now - this.#counted < REFILL) return;
    if (count > 0) this.#log.warn(`there are more warnings, too many to name: ${count}`);
    this.#counted = now;
    this.#isMore = false;
  }

  /** Drops those that have ceased for {@link QUIET}. */
  #forget(present: ReadonlyMap<string, Warning>, now: number): void {
    for (const [key, standing] of this.#known) {
      if (!present.has(key)) standing.ceased ??= now;
      if (standing.ceased === undefined) continue;
      if (now - standing.ceased >= QUIET) this.#known.delete(key);
      else if (present.has(key)) standing.ceased = undefined;
    }
  }
}

/** Two warnings with one key are the same one. */
function keyOf({ code, subject, text }: Warning): string {
  return `${code}\n${subject}\n${text}`;
}
