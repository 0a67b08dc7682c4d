/** What to set on WireGuard interfaces: ours, and those of Peers outside the cluster. */

import type { DeviceConfig, PeerConfig } from "../net/device.ts";
import { type IP, width } from "../net/ip.ts";
import type { Key } from "../net/key.ts";
import type { Prefix } from "../net/prefix.ts";
import type { Peer } from "./peer.ts";
import { reachedAt, type Segment, type Topology } from "./topology.ts";

/** The local node's interface while it leads: each other segment and each Peer. */
export function deviceConfig(
  topology: Topology,
  { privateKey, listenPort }: { readonly privateKey?: Key; readonly listenPort: number },
): DeviceConfig {
  const { persistentKeepalive } = topology.local;
  const peers: PeerConfig[] = [];
  for (const segment of topology.segments) {
    if (segment === topology.localSegment) continue;
    peers.push({ ...segmentTarget(segment), persistentKeepalive });
  }
  for (const peer of topology.peers) {
    const { presharedKey } = peer;
    const target = peerTarget(peer, topology);
    peers.push({ ...target, ...presharedKey && { presharedKey }, persistentKeepalive });
  }
  return { ...privateKey && { privateKey }, listenPort, peers };
}

/** What this Peer must set: each segment and each other Peer; for undefined, what a new one must. */
export function peerConfig(topology: Topology, self: Peer | undefined): DeviceConfig {
  const persistentKeepalive = self?.persistentKeepalive ?? 0;
  const secret = self?.presharedKey && { presharedKey: self.presharedKey };
  const segments = topology.segments.map((segment) => ({
    ...segmentTarget(segment),
    ...secret,
    persistentKeepalive,
  }));
  const others = topology.peers
    .filter((peer) => peer.name !== self?.name)
    .map((peer) => ({ ...peerTarget(peer, topology), persistentKeepalive }));
  return { peers: [...segments, ...others] };
}

/** The local segment as a Peer of another cluster, or of a WireGuard interface made by hand. */
export function asPeerConfig({ localSegment }: Topology): PeerConfig {
  const { leader, allowedIPs } = localSegment;
  return {
    publicKey: leader.key,
    endpoint: leader.endpoint,
    persistentKeepalive: 0,
    allowedIPs,
  };
}

type Target = Omit<PeerConfig, "persistentKeepalive" | "presharedKey">;

function segmentTarget(segment: Segment): Target {
  const { leader, endpoint, wireGuardIP, allowedIPs, allowedLocationIPs } = segment;
  return {
    publicKey: leader.key,
    endpoint,
    ...leader.persistentKeepalive !== 0 && { behindNAT: true },
    allowedIPs: allowedLocationIPs.length ? [...allowedIPs, ...allowedLocationIPs] : allowedIPs,
    probe: wireGuardIP,
  };
}

function peerTarget(peer: Peer, { discoveredEndpoints }: Topology): Target {
  const { publicKey, persistentKeepalive, allowedIPs } = peer;
  const endpoint = reachedAt(
    { endpoint: peer.endpoint, key: publicKey, persistentKeepalive },
    discoveredEndpoints,
  );
  const probe = hostAddress(allowedIPs);
  return {
    publicKey,
    ...endpoint && { endpoint },
    ...persistentKeepalive !== 0 && { behindNAT: true },
    allowedIPs,
    ...probe && { probe },
  };
}

/** The first single address: of a wider network nobody knows which of its addresses answers. */
function hostAddress(allowedIPs: readonly Prefix[]): IP | undefined {
  return allowedIPs.find(({ ip, bits }) => bits === width(ip.family))?.ip;
}
