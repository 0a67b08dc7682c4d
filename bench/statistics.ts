/** Several measurements of one thing. */

export type Samples = readonly number[];

export function median(samples: Samples): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** `median (min–max)`, of one sample just itself, none as a dash. */
export function spread(samples: Samples, format: (value: number) => string = rounded): string {
  if (samples.length === 0) return "–";
  const middle = format(median(samples));
  if (samples.length === 1) return middle;
  return `${middle} (${format(Math.min(...samples))}–${format(Math.max(...samples))})`;
}

/** Three digits, at most one of them after the point. */
export function rounded(value: number): string {
  return value < 10 ? value.toFixed(1) : value.toFixed(0);
}

/** Bytes as MB (10⁶). */
export function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}

/** What each pair of samples of the same run comes to. */
export function combine(
  a: Samples,
  b: Samples,
  operation: (a: number, b: number) => number,
): Samples {
  return a.map((value, at) => operation(value, b[at]!));
}
