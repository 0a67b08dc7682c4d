/** Tests wait for conditions, never for time. */

/** A condition did not come true in time. */
export class TimeoutError extends Error {
  override readonly name = "TimeoutError";
}

/**
 * Asks again and again until the condition answers something true, and answers that. A condition
 * that throws counts as not true yet; if it still does at the end, its error is the cause.
 */
export async function waitFor<T>(
  what: string,
  condition: () => T | Promise<T>,
  /** Milliseconds. */
  { timeout = 15_000, interval = 20 }: { timeout?: number; interval?: number } = {},
): Promise<NonNullable<T>> {
  const end = performance.now() + timeout;
  let cause: unknown;
  while (true) {
    try {
      cause = undefined;
      const answer = await condition();
      if (answer) return answer;
    } catch (error) {
      cause = error;
    }
    if (performance.now() > end) {
      throw new TimeoutError(`${what}: not within ${timeout / 1000} s`, { cause });
    }
    await new Promise((resolve) => setTimeout(resolve, interval));
  }
}
