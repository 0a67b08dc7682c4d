/** Answers that many ask for are made once for all of them. */

/** Of the time, how much goes into making one anew. */
const SHARE = 1 / 20;

/**
 * Makes a value when somebody asks, and gives it to others too, for as long as the making of it must
 * pay: 20 times what it took. So it is nearly always fresh, and however many ask, they cost little.
 */
export function reuse<T>(make: () => T, { clock = () => performance.now() } = {}): () => T {
  let value: T;
  let until = -Infinity;
  return () => {
    const start = clock();
    if (start < until) return value;
    value = make();
    const end = clock();
    until = end + (end - start) / SHARE;
    return value;
  };
}
