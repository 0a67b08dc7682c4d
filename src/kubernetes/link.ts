/** What ends one thing ends another. */

/** Until disposed, an aborted signal aborts the controller too. */
export function link(signal: AbortSignal | undefined, controller: AbortController): Disposable {
  const abort = () => controller.abort();
  if (signal?.aborted) abort();
  signal?.addEventListener("abort", abort);
  return { [Symbol.dispose]: () => signal?.removeEventListener("abort", abort) };
}
