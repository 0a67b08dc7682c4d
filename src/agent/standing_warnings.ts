/** Warnings that stand for a while: each is told once, and a flood of them is counted. */

import type { Log } from "./log.ts";

/** Milliseconds that a warning must be gone before it is news again: some come and go. */
const QUIET = 10_000;

/** So many are named at once, and then one more, or their count, with each {@link REFILL} milliseconds. */
const NAMED_AT_ONCE = 20;
const REFILL = 1000;

interface Standing {
  /** Or only counted. */
  isNamed: boolean;
  /** When it was first seen to hold no more; undefined: it holds. */
  ceased: number | undefined;
}

/**
 * Logs warnings that stand: give it all that hold at present, again and again, and a monotonic time
 * in milliseconds. Each distinct text is logged when it appears, and once more only after it had
 * ceased for a while. Of too many at once the first are logged and the others counted; they get
 * their turn when those cease. Returns the new ones.
 */
export function standingWarnings(
  log: Log,
): (present: Iterable<string>, now: number) => readonly string[] {
  const known = new Map<string, Standing>();
  let room = NAMED_AT_ONCE;
  let last = -Infinity;
  /** When the others were last counted, and whether there are more by now. */
  let counting = -Infinity;
  let isMore = false;
  return (present, now) => {
    const texts = new Set(present);
    forget(known, { texts, now });
    room = Math.min(NAMED_AT_ONCE, room + (now - last) / REFILL);
    last = now;

    const fresh = [...texts].filter((text) => !known.has(text));
    const holding = [...known].filter(([, { ceased }]) => ceased === undefined);
    const counted = holding.filter(([, { isNamed }]) => !isNamed).map(([text]) => text);
    const free = NAMED_AT_ONCE - (holding.length - counted.length) - fresh.length;
    const turn = [...fresh, ...counted.slice(0, Math.max(0, free))].slice(0, Math.floor(room));
    for (const text of fresh) known.set(text, { isNamed: false, ceased: undefined });
    for (const text of turn) {
      known.get(text)!.isNamed = true;
      log.warn(text);
    }
    room -= turn.length;
    isMore ||= turn.length < fresh.length;
    if (isMore && now - counting >= REFILL) {
      const count = fresh.length + counted.length - turn.length;
      if (count > 0) log.warn(`there are more warnings, too many to name: ${count}`);
      counting = now;
      isMore = false;
    }
    return fresh;
  };
}

/** Drops those that are gone for good. */
function forget(
  known: Map<string, Standing>,
  { texts, now }: { readonly texts: ReadonlySet<string>; readonly now: number },
): void {
  for (const [text, standing] of known) {
    if (!texts.has(text)) standing.ceased ??= now;
    if (standing.ceased === undefined) continue;
    if (now - standing.ceased >= QUIET) known.delete(text);
    else if (texts.has(text)) standing.ceased = undefined;
  }
}
