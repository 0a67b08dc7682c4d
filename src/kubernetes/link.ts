/** What ends one thing ends another. */

import { onAbort } from "../async/background.ts";

/** Until disposed, an aborted signal aborts the controller too. */
export function link(signal: AbortSignal | undefined, controller: AbortController): Disposable {
  return onAbort(signal, "end a request", () => controller.abort());
}

/** Settles as `action` does, or rejects when the signal is aborted, whether `action` hears of it or not. */
export async function unlessAborted<T>(action: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  using _abort = onAbort(signal, "give a request up", () => reject(signal.reason));
  return await Promise.race([action, promise]);
}
