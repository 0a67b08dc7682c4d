/** What a reconcile pass begins with, and what it reports in the end. */

import type { Link } from "../netlink/link.ts";
import type { Warning } from "../net/warning.ts";
import type { DeviceReport } from "./wireguard/device.ts";
import type { Failure } from "./failures.ts";
import type { TunnelState } from "./tunnel.ts";

/** The host's devices. A reconcile pass finds them, or makes those that are missing, first. */
export interface HostDevices {
  /** The WireGuard interface; undefined: it is missing and waited for. */
  readonly kilo: Link | undefined;
  /** The interface that holds the private address. */
  readonly private: Link | undefined;
  /** Has this host the source address? The kernel refuses routes that prefer another one. */
  readonly hasSource: boolean;
  /** Undefined: nothing is encapsulated. */
  readonly tunnel: TunnelState | undefined;
  readonly warnings: readonly Warning[];
  readonly failures: readonly Failure[];
}

/** How many things of each kind were changed, and what is to be reported. */
export interface Report {
  readonly firewall: number;
  readonly device: DeviceReport;
  readonly routes: number;
  readonly rules: number;
  readonly flows: number;
  /** How many routes and rules the kernel does not accept. */
  readonly refused: { readonly routes: number; readonly rules: number };
  readonly warnings: readonly Warning[];
  /** What could not be done, also of what the devices needed; all that does not depend on it was. */
  readonly failures: readonly Failure[];
}

/** How many things of each kind were changed. */
export function changesOf(
  { firewall, device, routes, rules, flows }: Report,
): Readonly<Record<"firewall" | "device" | "routes" | "rules" | "flows", number>> {
  return { firewall, device: device.changed, routes, rules, flows };
}
