/** A list before and after something. */
export interface Lists<T> {
  readonly before: readonly T[];
  readonly after: readonly T[];
}

/**
 * What of two lists lies between their common beginning and their common end: of long lists in the
 * same order mostly next to nothing.
 */
export function changedPart<T>(
  { before, after }: Lists<T>,
  equal: (a: T, b: T) => boolean,
): Lists<T> {
  if (before === after) return { before: [], after: [] };
  const shorter = Math.min(before.length, after.length);
  let head = 0;
  while (head < shorter && equal(before[head]!, after[head]!)) head++;
  let tail = 0;
  while (tail < shorter - head && equal(before.at(-1 - tail)!, after.at(-1 - tail)!)) tail++;
  return {
    before: before.slice(head, before.length - tail),
    after: after.slice(head, after.length - tail),
  };
}
