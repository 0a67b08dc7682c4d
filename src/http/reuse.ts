/** Answers that many ask for are made once for all of them. */

/** Of the time, how much goes into making one anew. */
const SHARE = 1 / 20;

/**
 * Makes a value when somebody asks, and gives it to others too, for as long as the making of it must
 * pay: 20 times what it took. So it is nearly always fresh, and however many ask, they cost little. Who
 * asks while it is being made gets the same one.
 */
export function reuse<T>(
  make: () => Promise<T>,
  { clock = () => performance.now() } = {},
): () => Promise<T> {
  let value: Promise<T> | undefined;
  let until = Infinity;
  return () => {
    const start = clock();
    if (value && start < until) return value;
    until = Infinity;
    const made = value = make();
    const end = () => {
      const now = clock();
      until = now + (now - start) / SHARE;
    };
    made.then(end, () => value = undefined);
    return made;
  };
}
