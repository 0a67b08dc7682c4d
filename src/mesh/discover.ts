/** Where this node sees those whose address nobody can declare. */

import { type DeviceState, peersByKey } from "../net/device.ts";
import type { Endpoint } from "../net/endpoint.ts";
import { equalIP, type IP } from "../net/ip.ts";
import { compareText } from "../net/text.ts";
import { formatDiscoveredEndpoint } from "./discovered_endpoints.ts";
import type { DiscoveredEndpoints, Node } from "./node.ts";
import type { Peer } from "./peer.ts";

/** Those who may be discovered. */
export interface Members {
  readonly nodes: readonly Node[];
  readonly peers: readonly Peer[];
}

/**
 * The device's endpoints of nodes behind NAT (non-zero keepalive) and of Peers, as far as there
 * was ever a handshake. A node that does not lead publishes none of them: its device is old.
 */
export function discoverEndpoints(
  { nodes, peers }: Members,
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

/** Bytes of `discovered-endpoints`, at most: an API server refuses 256 KiB of annotations. */
export const MOST_BYTES = 128 * 1024;

/**
 * The keys of those that fit into so many bytes of text: nodes before Peers, then those who are not
 * where they are declared to be, then the newest handshakes.
 */
export function mostUseful(
  endpoints: DiscoveredEndpoints,
  { mesh, device, bytes }: {
    readonly mesh: Members;
    readonly device: DeviceState;
    readonly bytes: number;
  },
): ReadonlySet<string> {
  const nodes = new Map(mesh.nodes.map(({ key, endpoint }) => [key as string, endpoint]));
  const peers = new Map(
    mesh.peers.map(({ publicKey, endpoint }) => [publicKey as string, endpoint]),
  );
  const states: ReadonlyMap<string, { readonly lastHandshake: number }> = peersByKey(device);
  const ranked = [...endpoints].map(([key, found]) => {
    const declared = nodes.get(key) ?? peers.get(key);
    return {
      key,
      rank: (nodes.has(key) ? 2 : 0) + (isAt(declared, found) ? 0 : 1),
      lastHandshake: states.get(key)?.lastHandshake ?? 0,
      bytes: formatDiscoveredEndpoint(key, found).length + 1, // and a comma
    };
  }).sort((a, b) =>
    b.rank - a.rank || b.lastHandshake - a.lastHandshake || compareText(a.key, b.key)
  );
  const chosen = new Set<string>();
  let left = bytes - 1; // two braces, one comma less
  for (const { key, bytes } of ranked) {
    left -= bytes;
    if (left < 0) break;
    chosen.add(key);
  }
  return chosen;
}

/** A DNS name may stand for any address. */
function isAt(
  declared: Endpoint | undefined,
  { ip, port }: { readonly ip: IP; readonly port: number },
): boolean {
  return declared?.ip !== undefined && equalIP(declared.ip, ip) && declared.port === port;
}
