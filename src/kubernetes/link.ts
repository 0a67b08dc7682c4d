/** What ends one thing ends another. */

import { onAbort } from "../async/background.ts";

/** Until disposed, an aborted signal aborts the controller too. */
export function link(signal: AbortSignal | undefined, controller: AbortController): Disposable {
  return onAbort(signal, "end a request", () => controller.abort());
}
