/** What a host is built on, whatever the mesh says: plain values, observed elsewhere. */

import type { IP } from "../net/ip.ts";
import type { Key } from "../net/key.ts";
import type { Prefix } from "../net/prefix.ts";

export interface HostFacts {
  /** Networks on link, without those of the Kilo interface, of the pods' bridge and of tunnels. */
  readonly networks: readonly { readonly prefix: Prefix; readonly device: string }[];
  /** Its own addresses. */
  readonly addresses: readonly IP[];
  /** Routes of the main table that are not ours, and lead into no tunnel of the mesh. */
  readonly ways: readonly Way[];
  /** Servers that are reached without the mesh. */
  readonly servers: readonly Server[];
  /** Where the WireGuard device sends to now. */
  readonly endpoints: readonly EndpointInUse[];
}

/** How a host reaches a network without the mesh. */
export interface Way {
  readonly dst: Prefix;
  readonly gateway?: IP | undefined;
  /** Index of the device. */
  readonly oif: number;
  /** Preferred source address. */
  readonly source?: IP | undefined;
  readonly onlink: boolean;
  /** Of two to one network the lower counts. */
  readonly metric: number;
}

export interface EndpointInUse {
  readonly publicKey: Key;
  readonly ip: IP;
  /** The peer itself has shaken hands. */
  readonly hasLived: boolean;
}

export interface Server {
  readonly ip: IP;
  readonly role: "API server" | "name server";
}

export const NO_FACTS: HostFacts = {
  networks: [],
  addresses: [],
  ways: [],
  servers: [],
  endpoints: [],
};
