/** Small clusters to try the mesh on. */

import type { Endpoint } from "../../../src/net/endpoint.ts";
import { parseEndpoint } from "../../../src/net/endpoint.ts";
import { type IP, parseIP } from "../../../src/net/ip.ts";
import { type Key, keyFromBytes } from "../../../src/net/key.ts";
import { parsePrefix, type Prefix } from "../../../src/net/prefix.ts";
import type { Settings } from "../../../src/mesh/desired.ts";
import type { Peer } from "../../../src/mesh/peer.ts";
import type { CompleteNode } from "../../../src/mesh/readiness.ts";
import { type Topology, topology } from "../../../src/mesh/topology.ts";

export function prefix(text: string): Prefix {
  return defined(parsePrefix(text), text);
}

export function ip(text: string): IP {
  return defined(parseIP(text), text);
}

export function endpoint(text: string): Endpoint {
  return defined(parseEndpoint(text), text);
}

function defined<T>(value: T | undefined, text: string): T {
  if (value === undefined) throw new TypeError(`cannot read ${text}`);
  return value;
}

/** The same key for the same number. */
export function key(number: number): Key {
  return keyFromBytes(new Uint8Array(32).fill(number));
}

/** Node number n, as it is if nothing else is said: `nN` in location `l`, 10.42.N.0/24, 10.0.0.N. */
export function node(number: number, fields: Partial<CompleteNode> = {}): CompleteNode {
  return {
    name: `n${number}`,
    location: "l",
    leader: false,
    endpoint: endpoint(`10.0.0.${number}:51820`),
    key: key(number),
    subnet: prefix(`10.42.${number}.0/24`),
    internalIP: prefix(`10.0.0.${number}/24`),
    persistentKeepalive: 0,
    allowedLocationIPs: [],
    discoveredEndpoints: new Map(),
    lastSeen: 0,
    ...fields,
  };
}

/** A node without internal address. */
export function loneNode(number: number, fields: Partial<CompleteNode> = {}): CompleteNode {
  const { internalIP: _, ...rest } = node(number, fields);
  return rest;
}

/** Peer number n: `pN`, 10.5.0.N/32. */
export function peer(number: number, fields: Partial<Peer> = {}): Peer {
  return {
    name: `p${number}`,
    publicKey: key(200 + number),
    persistentKeepalive: 0,
    allowedIPs: [prefix(`10.5.0.${number}/32`)],
    ...fields,
  };
}

/** As node n1 sees it, unless another is named. */
export function mesh(
  nodes: readonly CompleteNode[],
  { peers = [], ...view }: {
    peers?: readonly Peer[];
    hostname?: string;
    granularity?: "location" | "full";
    subnet?: Prefix;
  } = {},
): Topology {
  const subnet = prefix("10.4.0.0/16");
  return topology({ nodes, peers }, { hostname: "n1", granularity: "location", subnet, ...view });
}

export function settings(fields: Partial<Settings> = {}): Settings {
  return {
    strategy: "always",
    encapsulator: "ipip",
    tunnel: true,
    privateAddress: prefix("10.0.0.1/24"),
    local: true,
    cni: true,
    forwardRules: false,
    serviceCIDRs: [],
    ...fields,
  };
}
