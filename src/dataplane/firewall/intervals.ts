/**
 * Prefixes as intervals. A kernel interval set refuses overlapping elements, so what goes into one is
 * merged here: sorted, disjoint, and never touching.
 */

import { type Family, width } from "../../net/ip.ts";
import type { Prefix } from "../../net/prefix.ts";
import type { Interval } from "../../netlink/nftables/interval.ts";

/** The addresses of one family that these prefixes cover: sorted, merged, in new objects. */
export function mergePrefixes(prefixes: readonly Prefix[], family: Family): Interval[] {
  const bits = width(family);
  const intervals: Interval[] = [];
  for (const prefix of prefixes) {
    if (prefix.ip.family !== family) continue;
    const size = 1n << BigInt(bits - prefix.bits);
    const start = prefix.ip.value & -size;
    intervals.push({ start, end: start + size });
  }
  return merge(intervals.sort(compareStart));
}

function compareStart(a: Interval, b: Interval): number {
  return a.start < b.start ? -1 : a.start > b.start ? 1 : 0;
}

function merge(sorted: readonly Interval[]): Interval[] {
  const merged: Interval[] = [];
  let last: Interval | undefined;
  for (const interval of sorted) {
    if (last && interval.start <= last.end) {
      if (interval.end <= last.end) continue;
      last = { start: last.start, end: interval.end };
      merged[merged.length - 1] = last;
    } else {
      merged.push(last = interval);
    }
  }
  return merged;
}

/** What has to leave a set and what has to enter it. */
export interface IntervalDifference {
  readonly removed: readonly Interval[];
  readonly added: readonly Interval[];
}

/**
 * From one sorted, disjoint list to another. Intervals are compared whole: a prefix that joins two
 * neighbours removes both and adds one.
 */
export function diffIntervals(
  from: readonly Interval[],
  to: readonly Interval[],
): IntervalDifference {
  if (from === to) return { removed: [], added: [] };
  const removed: Interval[] = [];
  const added: Interval[] = [];
  let f = 0;
  let t = 0;
  while (f < from.length && t < to.length) {
    const old = from[f]!;
    const desired = to[t]!;
    if (old.start === desired.start && old.end === desired.end) {
      f++;
      t++;
    } else if (old.start <= desired.start) {
      removed.push(old);
      f++;
    } else {
      added.push(desired);
      t++;
    }
  }
  for (; f < from.length; f++) removed.push(from[f]!);
  for (; t < to.length; t++) added.push(to[t]!);
  return { removed, added };
}

/** What either covers, both being sorted and disjoint; one of them itself if that has all of it. */
export function unionIntervals(
  a: readonly Interval[],
  b: readonly Interval[],
): readonly Interval[] {
  const { removed, added } = diffIntervals(a, b);
  if (added.length === 0) return a;
  if (removed.length === 0) return b;
  return merge([...a, ...added].sort(compareStart));
}

/** By binary search: how many come before the first for which the test holds, as it does for all after that. */
export function countUntil(
  intervals: readonly Interval[],
  test: (interval: Interval) => boolean,
): number {
  let low = 0;
  let high = intervals.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (test(intervals[middle]!)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Is the address in one of these sorted, disjoint intervals? */
export function covers(intervals: readonly Interval[], address: bigint): boolean {
  const found = intervals[countUntil(intervals, ({ end }) => end > address)];
  return found !== undefined && found.start <= address;
}
