/** Where the local device sends to, as far as that is not where nodes say they are. */

import { type DeviceState, isLive, peersByKey } from "../net/device.ts";
import { equalIP, type IP } from "../net/ip.ts";
import type { Key } from "../net/key.ts";
import type { CompleteNode } from "./readiness.ts";

/** By public key of a node. */
export type UsedEndpoints = ReadonlyMap<Key, IP>;

/**
 * Of nodes that were heard of at another address than they declare, while their session lives: after
 * that the device gets the declared one again, and it does at once where that is a new one. A node
 * behind NAT is not in it: where it was seen is its endpoint already. `now`: milliseconds since the
 * Unix epoch.
 */
export function usedEndpoints(
  nodes: Iterable<CompleteNode>,
  { device, now, isRedeclared }: {
    readonly device: DeviceState | undefined;
    readonly now: number;
    readonly isRedeclared: (node: CompleteNode) => boolean;
  },
): UsedEndpoints {
  const used = new Map<Key, IP>();
  if (!device) return used;
  const peers = peersByKey(device);
  for (const node of nodes) {
    const peer = peers.get(node.key);
    if (!peer?.endpoint || node.persistentKeepalive !== 0 || !isLive(peer, now)) continue;
    if (equalIP(peer.endpoint.ip, node.endpoint.ip) || isRedeclared(node)) continue;
    used.set(node.key, peer.endpoint.ip);
  }
  return used;
}

/** Do they say the same? */
export function equalUsedEndpoints(a: UsedEndpoints, b: UsedEndpoints): boolean {
  return a.size === b.size && a.entries().every(([key, ip]) => equalIP(ip, b.get(key)));
}
