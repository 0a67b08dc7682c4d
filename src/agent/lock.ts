/** One agent an interface: an abstract unix socket, one a network namespace, gone with the process. */

import { bindAbstract, SystemError } from "../os/libc.ts";

/** Another agent runs on this interface. */
export class LockedError extends Error {
  override readonly name = "LockedError";
}

/** Holds the interface until disposed or the process ends; throws {@link LockedError}. */
export function lockInterface(name: string): Disposable {
  try {
    return bindAbstract(`kilo/${name}`);
  } catch (error) {
    if (!(error instanceof SystemError && error.code === "EADDRINUSE")) throw error;
    throw new LockedError(`another agent already runs on interface ${name} of this machine`);
  }
}
