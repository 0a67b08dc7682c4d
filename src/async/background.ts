/**
 * Owners for work that nobody waits for: timers, event handlers, promises that are not awaited. An
 * exception there would end the program. Here it is reported, and ends nothing but that work.
 *
 * A check (`tools/house.ts`) sees to it that nothing else in `src` starts such work.
 */

import { describeError } from "../net/text.ts";

/** Work that went wrong. `what` completes the sentence "could not …". */
export interface BackgroundFailure {
  readonly what: string;
  readonly error: unknown;
}

type Reporter = (failure: BackgroundFailure) => void;

const toStderr: Reporter = ({ what, error }) => {
  console.error(`could not ${what}: ${describeError(error)}`);
};

let report = toStderr;

/** Sends failures to `reporter` instead of stderr, until disposed. */
export function reportFailuresTo(reporter: Reporter): Disposable {
  const before = report;
  report = (failure) => {
    try {
      reporter(failure);
    } catch {
      before(failure);
    }
  };
  return { [Symbol.dispose]: () => report = before };
}

/** Runs work that nobody waits for. What it throws, or rejects with, is reported. */
export function inBackground(what: string, work: () => unknown): void {
  try {
    const result = work();
    if (result instanceof Promise) result.catch((error) => report({ what, error }));
  } catch (error) {
    report({ what, error });
  }
}

/** Runs the work in so many milliseconds, as {@link inBackground}; `clearTimeout` takes the result. */
export function startTimer(milliseconds: number, what: string, work: () => unknown): number {
  return setTimeout(() => inBackground(what, work), milliseconds);
}

/** Runs the work when the signal is aborted, at once if it is already; until disposed. */
export function onAbort(
  signal: AbortSignal | undefined,
  what: string,
  work: () => unknown,
): Disposable {
  const listener = () => inBackground(what, work);
  if (signal?.aborted) listener();
  signal?.addEventListener("abort", listener, { once: true });
  return { [Symbol.dispose]: () => signal?.removeEventListener("abort", listener) };
}

/**
 * The net below: exceptions and rejections that reach nobody are reported, too, instead of ending
 * the program. Until disposed.
 */
export function catchStrays(): Disposable {
  const rejected = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    report({ what: "finish work that nobody waits for", error: event.reason });
  };
  const thrown = (event: ErrorEvent) => {
    event.preventDefault();
    report({ what: "handle an event", error: event.error });
  };
  globalThis.addEventListener("unhandledrejection", rejected);
  globalThis.addEventListener("error", thrown);
  return {
    [Symbol.dispose]() {
      globalThis.removeEventListener("unhandledrejection", rejected);
      globalThis.removeEventListener("error", thrown);
    },
  };
}
