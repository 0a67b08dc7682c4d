/** Pauses between updates, so that a burst of events costs little and a single one is read at once. */

/** An update is followed by a rest of so many times what it took: 5 % of a core at most. */
export const REST_FACTOR = 20;
/** Milliseconds of rest that quiet times save up: when nodes start together, each new key counts. */
const SAVED_REST = 1000;
/** Milliseconds of the shortest rest, so that a burst is a few changes. */
const SHORTEST_REST = 20;
/** Milliseconds of the longest rest: a file that somebody wrote is read within this time. */
const LONGEST_REST = 250;

export class UpdateRest {
  /** Monotonic time when the rest for all updates so far is over. */
  #until = -Infinity;

  /** Milliseconds to rest after an update. Times are monotonic, in milliseconds. */
  after({ start, end }: { readonly start: number; readonly end: number }): number {
    const rest = Math.max(this.#until - end, -SAVED_REST) + (end - start) * REST_FACTOR;
    this.#until = end + Math.min(rest, LONGEST_REST);
    return Math.max(SHORTEST_REST, this.#until - end);
  }
}
