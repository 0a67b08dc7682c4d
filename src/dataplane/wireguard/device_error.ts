/** Why WireGuard cannot be had, in words that help. */

import { describeError } from "../../net/text.ts";
import { NetlinkError } from "../../netlink/error.ts";
import { EADDRINUSE } from "../../os/errno.ts";
import { WireGuardError } from "../../wireguard/client.ts";

/** Who holds a UDP port, in words (`WireGuard device wg0`); undefined if that cannot be known. */
export type HolderOfPort = (port: number) => Promise<string | undefined>;

export interface DeviceErrorContext {
  /** Of the interface. */
  readonly name: string;
  readonly listenPort?: number | undefined;
  readonly holderOfPort?: HolderOfPort | undefined;
}

/**
 * What went wrong when the device was configured, or set up: a port is opened at the one or at the
 * other, as it was down or not.
 */
export async function explainDevice(
  error: unknown,
  { name, listenPort = 0, holderOfPort }: DeviceErrorContext,
): Promise<string> {
  const isKnown = error instanceof NetlinkError || error instanceof WireGuardError;
  if (!isKnown || error.errno !== EADDRINUSE) return describeError(error);
  const holder = await holderOfPort?.(listenPort).catch(() => undefined);
  return `UDP port ${listenPort} is taken by ${holder ?? "another program"}: ` +
    `WireGuard on ${name} waits for it, or for another --port`;
}
