/** A cluster node as its Kubernetes object describes it. */

import type { Endpoint } from "../net/endpoint.ts";
import type { IP } from "../net/ip.ts";
import type { Key } from "../net/key.ts";
import type { Prefix } from "../net/prefix.ts";

/** Where the locations come from: one segment per location, or one per node. */
export type Granularity = "location" | "full";

/** Where a node has seen WireGuard peers, by public key. As read: text that is no key meets no peer. */
export type DiscoveredEndpoints = ReadonlyMap<string, { readonly ip: IP; readonly port: number }>;

export interface Node {
  readonly name: string;
  readonly location: string;
  /** Wants to lead its location. */
  readonly leader: boolean;
  readonly endpoint?: Endpoint;
  readonly key?: Key;
  /** Pod subnet, host bits cleared. */
  readonly subnet?: Prefix;
  /** Address and prefix length of the interface that holds it. */
  readonly internalIP?: Prefix;
  readonly wireGuardIP?: Prefix;
  readonly cniCompatibilityIP?: Prefix;
  /** Where its IPIP packets really come from, if that is not its internal address. */
  readonly encapsulationIP?: Prefix;
  /** Seconds, 0 to 65535; non-zero means behind NAT. */
  readonly persistentKeepalive: number;
  readonly allowedLocationIPs: readonly Prefix[];
  readonly discoveredEndpoints: DiscoveredEndpoints;
  readonly granularity?: Granularity;
  /** When the object was made, in milliseconds since the Unix epoch; absent: nobody says. */
  readonly created?: number;
  /** Unix seconds of the last check-in; 0: never. */
  readonly lastSeen: number;
}
