/** A WireGuard peer outside the cluster, as its Peer object describes it. */

import type { Endpoint } from "../net/endpoint.ts";
import type { Key } from "../net/key.ts";
import type { Prefix } from "../net/prefix.ts";

export interface Peer {
  readonly name: string;
  readonly publicKey: Key;
  readonly presharedKey?: Key;
  readonly endpoint?: Endpoint;
  /** Seconds, 0 to 65535; 0: off. */
  readonly persistentKeepalive: number;
  readonly allowedIPs: readonly Prefix[];
}
