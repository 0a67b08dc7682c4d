/** A WireGuard device by name, whoever implements it. */

import type { DeviceState } from "../net/device.ts";
import type { Key } from "../net/key.ts";
import type { DeviceChange } from "./change.ts";

export interface WireGuardClient {
  readonly name: string;
  readonly kind: "kernel" | "userspace";
  /**
   * Reads the whole device. May return the value of the last time for a device or peer that did not
   * change. Rejects with a {@link WireGuardError}.
   */
  read(): Promise<DeviceState>;
  /**
   * Carries the change out in order. Rejects with a {@link WireGuardError} if a part is refused;
   * others may have been carried out, so read the device again then. Resolves with the peers that the
   * device could only change by removing and adding them: they have no session.
   */
  apply(change: DeviceChange): Promise<readonly Key[]>;
}

/**
 * - `absent`: there is no such device, or it is not WireGuard's;
 * - `denied`: this process may not;
 * - `timeout`: no sign of life for too long;
 * - `refused`: the device said no, see `errno`;
 * - `malformed`: the answer cannot be understood;
 * - `broken`: the connection failed in another way, see `cause`.
 */
export type WireGuardErrorReason =
  | "absent"
  | "denied"
  | "timeout"
  | "refused"
  | "malformed"
  | "broken";

/** Whatever goes wrong with a device. Its text never holds a key, nor anything the device said. */
export class WireGuardError extends Error {
  override readonly name = "WireGuardError";
  readonly reason: WireGuardErrorReason;
  /** The device's error number, if it gave one. */
  readonly errno: number | undefined;

  constructor(
    message: string,
    options: { reason: WireGuardErrorReason; errno?: number | undefined; cause?: unknown },
  ) {
    super(message, { cause: options.cause });
    this.reason = options.reason;
    this.errno = options.errno;
  }
}
