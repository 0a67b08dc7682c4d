/** Where this node sees those whose address nobody can declare. */

import type { DeviceState } from "../net/device.ts";
import type { IP } from "../net/ip.ts";
import type { DiscoveredEndpoints, Node } from "./node.ts";
import type { Peer } from "./peer.ts";

/**
 * The device's endpoints of nodes behind NAT (non-zero keepalive) and of Peers, as far as there
 * was ever a handshake. A node that does not lead publishes none of them: its device is old.
 */
export function discoverEndpoints(
  { nodes, peers }: { readonly nodes: readonly Node[]; readonly peers: readonly Peer[] },
  device: DeviceState,
): DiscoveredEndpoints {
  const moving = new Set<string>(peers.map((peer) => peer.publicKey));
  for (const { key, persistentKeepalive } of nodes) {
    if (key !== undefined && persistentKeepalive !== 0) moving.add(key);
  }
  const discovered = new Map<string, { readonly ip: IP; readonly port: number }>();
  for (const { publicKey, endpoint, lastHandshake } of device.peers) {
    if (endpoint && lastHandshake > 0 && moving.has(publicKey)) discovered.set(publicKey, endpoint);
  }
  return discovered;
}
