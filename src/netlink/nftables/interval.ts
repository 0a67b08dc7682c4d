/**
 * Intervals of addresses and the elements that an interval set holds for them: one where the interval
 * starts, and one, flagged as an end, at the first address behind it. Behind the highest address
 * there is nothing, so an interval that reaches it has no end element.
 */

/** Addresses as unsigned numbers: `start` is inside, `end` is the first one behind. */
export interface Interval {
  readonly start: bigint;
  readonly end: bigint;
}

export interface Boundary {
  readonly key: bigint;
  readonly end: boolean;
}

/** The elements of disjoint intervals of addresses of `bits` bits. */
export function toBoundaries(intervals: readonly Interval[], bits: number): Boundary[] {
  const top = 1n << BigInt(bits);
  const boundaries: Boundary[] = [];
  for (const { start, end } of intervals) {
    boundaries.push({ key: start, end: false });
    if (end < top) boundaries.push({ key: end, end: true });
  }
  return boundaries;
}

/**
 * The intervals, sorted, that elements in any order stand for; undefined if a start or an end has no
 * counterpart. nft puts an end at address 0 into sets that begin higher: it ends nothing.
 */
export function fromBoundaries(
  boundaries: readonly Boundary[],
  bits: number,
): Interval[] | undefined {
  const intervals: Interval[] = [];
  let start: bigint | undefined;
  for (const boundary of [...boundaries].sort(compareBoundary)) {
    if (!boundary.end) {
      if (start !== undefined) return undefined;
      start = boundary.key;
    } else if (start !== undefined) {
      intervals.push({ start, end: boundary.key });
      start = undefined;
    } else if (boundary.key !== 0n) {
      return undefined;
    }
  }
  if (start !== undefined) intervals.push({ start, end: 1n << BigInt(bits) });
  return intervals;
}

/** Where one interval ends and the next starts at once, the end comes first. */
function compareBoundary(a: Boundary, b: Boundary): number {
  if (a.key !== b.key) return a.key < b.key ? -1 : 1;
  return Number(b.end) - Number(a.end);
}
