import { type Clock, SYSTEM_CLOCK } from "./clock.ts";

/** Something took longer than it was allowed to. */
export class DeadlineError extends Error {
  override readonly name = "DeadlineError";
  constructor(what: string, milliseconds: number) {
    super(`${what} took over ${milliseconds / 1000} s`);
  }
}

/**
 * Settles as `action` does, or rejects with a {@link DeadlineError} after so many milliseconds.
 * `what` begins its message. The action is not stopped: its late result, or error, is dropped.
 *
 * @example `await deadline(client.get(path), { milliseconds: 10_000, what: "reading the CRD" })`
 */
export async function deadline<T>(
  action: Promise<T>,
  { milliseconds, what, late: explain = (error) => error, clock = SYSTEM_CLOCK }: {
    readonly milliseconds: number;
    readonly what: string;
    /** Makes the error that it rejects with of the usual one. */
    readonly late?: (error: DeadlineError) => Error;
    readonly clock?: Clock;
  },
): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const error = explain(new DeadlineError(what, milliseconds));
  using _timer = clock.after(milliseconds, () => reject(error));
  return await Promise.race([action, late]);
}
