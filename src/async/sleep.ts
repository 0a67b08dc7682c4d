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
  const stop = () => resolve();
  signal?.addEventListener("abort", stop, { once: true });
  await promise;
  signal?.removeEventListener("abort", stop);
}
