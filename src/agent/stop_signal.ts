/** Somebody wants this process to end. */

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** From here on these signals do nothing but resolve `requested`, until it is disposed of. */
export function stopSignal(): Disposable & { readonly requested: Promise<"stop"> } {
  const { promise, resolve } = Promise.withResolvers<"stop">();
  const listener = () => resolve("stop");
  for (const signal of SIGNALS) Deno.addSignalListener(signal, listener);
  return {
    requested: promise,
    [Symbol.dispose]() {
      for (const signal of SIGNALS) Deno.removeSignalListener(signal, listener);
    },
  };
}
