import { onAbort } from "./background.ts";
import { type Clock, SYSTEM_CLOCK } from "./clock.ts";

/** Resolves after so many milliseconds, or as soon as the signal is aborted. Never rejects. */
export async function sleep(
  milliseconds: number,
  { signal, clock = SYSTEM_CLOCK }: {
    readonly signal?: AbortSignal | undefined;
    readonly clock?: Clock;
  } = {},
): Promise<void> {
  if (signal?.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  using _timer = clock.after(milliseconds, resolve);
  using _abort = onAbort(signal, "end a pause", resolve);
  await promise;
}
