/** Which nodes and peers can be in a mesh, and whether two of them make the same mesh. */

import { type Endpoint, equalAddressPort, equalEndpoint } from "../net/endpoint.ts";
import { type Key, ZERO_KEY } from "../net/key.ts";
import { equalPrefix, type Prefix } from "../net/prefix.ts";
import type { DiscoveredEndpoints, Node } from "./node.ts";
import type { Peer } from "./peer.ts";

/** A node that says everything the others need of it. */
export interface CompleteNode extends Node {
  readonly endpoint: Endpoint;
  readonly key: Key;
  readonly subnet: Prefix;
}

/** What may keep a node out of the mesh. */
export const NOT_READY_REASONS = ["no endpoint", "no key", "no pod subnet", "stale"] as const;
export type NotReadyReason = typeof NOT_READY_REASONS[number];

/**
 * The first reason why a node is not in the mesh; undefined: it is ready. It needs no WireGuard IP.
 * `isFresh`: it checks in (staleness.ts).
 */
export function notReadyBecause(
  { endpoint, subnet, key }: Node,
  { isFresh }: { readonly isFresh: boolean },
): NotReadyReason | undefined {
  if (!endpoint) return "no endpoint";
  if (!subnet) return "no pod subnet";
  if (key === undefined || key === ZERO_KEY) return "no key";
  return isFresh ? undefined : "stale";
}

/** Is it ready, as long as it is fresh? */
export function isComplete(node: Node): node is CompleteNode {
  return notReadyBecause(node, { isFresh: true }) === undefined;
}

/** A peer is ready with a key and something to route to it; it needs no endpoint. */
export function isReadyPeer(peer: Peer): boolean {
  return peer.publicKey !== ZERO_KEY && peer.allowedIPs.length > 0;
}

/** Do they make the same mesh? When a node was last seen does not matter here. */
export function equalNodes(a: Node, b: Node): boolean {
  return a.name === b.name && a.location === b.location && a.leader === b.leader &&
    a.key === b.key && a.persistentKeepalive === b.persistentKeepalive &&
    a.granularity === b.granularity && a.created === b.created &&
    equalEndpoint(a.endpoint, b.endpoint) &&
    equalPrefix(a.subnet, b.subnet) &&
    equalPrefix(a.internalIP, b.internalIP) &&
    equalPrefix(a.wireGuardIP, b.wireGuardIP) &&
    equalPrefix(a.cniCompatibilityIP, b.cniCompatibilityIP) &&
    equalPrefix(a.encapsulationIP, b.encapsulationIP) &&
    equalPrefixes(a.allowedLocationIPs, b.allowedLocationIPs) &&
    equalDiscovered(a.discoveredEndpoints, b.discoveredEndpoints);
}

/** Do they make the same mesh? The name does not count. */
export function equalPeers(a: Peer, b: Peer): boolean {
  return a.publicKey === b.publicKey && a.presharedKey === b.presharedKey &&
    a.persistentKeepalive === b.persistentKeepalive &&
    equalEndpoint(a.endpoint, b.endpoint) &&
    equalPrefixes(a.allowedIPs, b.allowedIPs);
}

/** The same prefixes in the same order. */
function equalPrefixes(a: readonly Prefix[], b: readonly Prefix[]): boolean {
  return a.length === b.length && a.every((prefix, at) => equalPrefix(prefix, b[at]));
}

function equalDiscovered(a: DiscoveredEndpoints, b: DiscoveredEndpoints): boolean {
  return a.size === b.size && [...a].every(([key, endpoint]) => {
    return equalAddressPort(endpoint, b.get(key));
  });
}
