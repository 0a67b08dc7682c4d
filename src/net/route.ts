/** Routes and policy rules as the mesh wants them, before devices have interface indices. */

import type { IP } from "./ip.ts";
import type { Prefix } from "./prefix.ts";

/** Which device a route or rule means: the WireGuard interface, the one holding the private address, the tunnel. */
export type DeviceRole = "kilo" | "private" | "tunnel";

/** Everything we add carries this `rtm_protocol` / `FRA_PROTOCOL`, so that it is known as ours without memory. */
export const ROUTE_PROTOCOL = 107;

/** The policy-routing table for packets that must enter the tunnel. */
export const KILO_TABLE = 1107;

/** On whose word a destination is in the mesh. */
export interface Claim {
  /** A pod subnet, an internal, WireGuard or allowed location address of a node, or a Peer's allowed IP. */
  readonly kind: "subnet" | "internal" | "wireguard" | "location" | "peer";
  /** The object that says so: `node berlin-1`, `Peer laptop`. */
  readonly owner: string;
}

export interface Route {
  /** As computed: may carry host bits; the dataplane masks it. */
  readonly dst: Prefix;
  readonly gateway?: IP;
  /** Absent when there is no such device (no private address was discovered). */
  readonly device?: DeviceRole;
  /** Index of a device that is none of these: of the underlay. */
  readonly oif?: number;
  readonly source?: IP;
  /** Routing table; absent: main (254). */
  readonly table?: number;
  /** Absent in the policy-routing table, and where the host itself needs the route. */
  readonly claim?: Claim;
  /** `RTNH_F_ONLINK`: the gateway needs no route of its own. */
  readonly onlink: boolean;
}

/** `from src to dst iif kilo lookup table`. */
export interface Rule {
  readonly src?: Prefix;
  readonly dst: Prefix;
  readonly iif?: "kilo";
  readonly table: number;
}
