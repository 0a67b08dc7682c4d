/** The mesh as one node sees it: segments, their leaders and addresses. All agents agree on these. */

import type { Endpoint } from "../net/endpoint.ts";
import { addToIP, type IP } from "../net/ip.ts";
import type { Key } from "../net/key.ts";
import {
  contains,
  formatPrefix,
  hostPrefix,
  network,
  type Prefix,
  prefixKey,
} from "../net/prefix.ts";
import { compareText } from "../net/text.ts";
import { electLeader } from "./leader.ts";
import { declaredLocationIPs, filterLocationIPs } from "./location_ips.ts";
import type { DiscoveredEndpoints, Granularity, Node } from "./node.ts";
import type { Peer } from "./peer.ts";
import type { CompleteNode } from "./readiness.ts";
import { type Warning, warning } from "../net/warning.ts";

/** Nodes that share a private network; one of them, the leader, connects them to the others. */
export interface Segment {
  /** `location:NAME`, or `node:NAME` for a node of its own. */
  readonly location: string;
  /** By name. */
  readonly nodes: readonly CompleteNode[];
  readonly leader: CompleteNode;
  /** Where the leader is reached: as declared, or behind NAT where it was seen. */
  readonly endpoint: Endpoint;
  readonly wireGuardIP: IP;
  /** Pod subnet and internal address of each node; last the WireGuard address. */
  readonly allowedIPs: readonly Prefix[];
  readonly allowedLocationIPs: readonly Prefix[];
}

export interface Topology {
  /** The node whose view this is, and its segment. */
  readonly local: CompleteNode;
  readonly localSegment: Segment;
  /** Does the local node lead its segment? */
  readonly isLeader: boolean;
  /** The WireGuard subnet, host bits cleared. */
  readonly subnet: Prefix;
  /** By location. */
  readonly segments: readonly Segment[];
  /** By name; each allowed IP belongs to the first that claims it. */
  readonly peers: readonly Peer[];
  readonly discoveredEndpoints: DiscoveredEndpoints;
  /** What was ignored, one sentence each; the same sentence for the same reason. */
  readonly warnings: readonly Warning[];
}

/** There is no mesh to be computed from these nodes. */
export class TopologyError extends Error {
  override readonly name = "TopologyError";
}

/** Computes the mesh of the ready nodes and ready Peers; a TopologyError if there can be none. */
export function topology(
  { nodes, peers }: { readonly nodes: readonly CompleteNode[]; readonly peers: readonly Peer[] },
  view: { readonly hostname: string; readonly granularity: Granularity; readonly subnet: Prefix },
): Topology {
  const local = nodes.find((node) => node.name === view.hostname);
  if (!local) throw new TopologyError(`node ${view.hostname} is not among the ready nodes`);
  const subnet = network(view.subnet);
  const unique = uniqueAllowedIPs(peers);
  const groups = groupByLocation(nodes, view.granularity);
  const discoveredEndpoints = mergeDiscovered(local, groups.flatMap((group) => group.nodes));
  const declared = groups.map((group, index) =>
    makeSegment(group, { wireGuardIP: assignAddress(subnet, index), discoveredEndpoints })
  );
  const filtered = filterLocationIPs(declared, { subnet, peers: unique.peers });
  const segments = declared.map((segment, index) => ({
    ...segment,
    allowedLocationIPs: filtered.kept[index]!,
  }));
  const localSegment = segments.find((segment) => segment.nodes.includes(local))!;
  return {
    local,
    localSegment,
    isLeader: localSegment.leader === local,
    subnet,
    segments,
    peers: unique.peers,
    discoveredEndpoints,
    warnings: [...unique.warnings, ...filtered.warnings],
  };
}

/** The location a node belongs to: `location:NAME`, or `node:NAME` where it stands alone. */
export function locationOf(node: Node, granularity: Granularity): string {
  return granularity === "full" || node.internalIP === undefined
    ? `node:${node.name}`
    : `location:${node.location}`;
}

/** Where a target is reached: one behind NAT (non-zero keepalive) where somebody has seen it. */
export function reachedAt<E extends Endpoint | undefined>(
  target: { readonly endpoint: E; readonly key: Key; readonly persistentKeepalive: number },
  discovered: DiscoveredEndpoints,
): E | Endpoint {
  if (target.persistentKeepalive === 0) return target.endpoint;
  const seen = discovered.get(target.key);
  if (!seen) return target.endpoint;
  const { ip, alternative } = target.endpoint ?? {};
  const other = [ip, alternative].find((declared) =>
    declared && declared.family !== seen.ip.family
  );
  return other ? { ...seen, alternative: other } : seen;
}

interface Group {
  readonly location: string;
  readonly nodes: readonly [CompleteNode, ...CompleteNode[]];
}

function groupByLocation(nodes: readonly CompleteNode[], granularity: Granularity): Group[] {
  const byName = nodes.toSorted((a, b) => compareText(a.name, b.name));
  return [...Map.groupBy(byName, (node) => locationOf(node, granularity))]
    .map(([location, members]) => ({
      location,
      nodes: members as [CompleteNode, ...CompleteNode[]],
    }))
    .sort((a, b) => compareText(a.location, b.location));
}

function makeSegment(
  { location, nodes }: Group,
  { wireGuardIP, discoveredEndpoints }: {
    wireGuardIP: IP;
    discoveredEndpoints: DiscoveredEndpoints;
  },
): Segment {
  const leader = electLeader(nodes);
  const allowedIPs: Prefix[] = [];
  for (const node of nodes) {
    allowedIPs.push(node.subnet);
    if (node.internalIP) allowedIPs.push(hostPrefix(node.internalIP.ip));
  }
  allowedIPs.push(hostPrefix(wireGuardIP));
  return {
    location,
    nodes,
    leader,
    endpoint: reachedAt(leader, discoveredEndpoints),
    wireGuardIP,
    allowedIPs,
    allowedLocationIPs: declaredLocationIPs(nodes),
  };
}

/** The address of the segment at this index: every one above the base is used, the last included. */
function assignAddress(subnet: Prefix, index: number): IP {
  const ip = addToIP(subnet.ip, index + 1);
  if (ip && contains(subnet, ip)) return ip;
  throw new TopologyError(
    `the WireGuard subnet ${formatPrefix(subnet)} has no address left for segment ${index + 1}`,
  );
}

/** The local node's own findings, then those of the others in order. */
function mergeDiscovered(local: CompleteNode, nodes: readonly CompleteNode[]): DiscoveredEndpoints {
  const merged = new Map(local.discoveredEndpoints);
  for (const node of nodes) {
    for (const [key, endpoint] of node.discoveredEndpoints) {
      if (!merged.has(key)) merged.set(key, endpoint);
    }
  }
  return merged;
}

/** Peers by name, each without the allowed IPs (as written) that were claimed before. */
function uniqueAllowedIPs(peers: readonly Peer[]): { peers: Peer[]; warnings: Warning[] } {
  const owners = new Map<number | bigint, string>();
  const warnings: Warning[] = [];
  const unique = peers.toSorted((a, b) => compareText(a.name, b.name)).map((peer) => {
    const allowedIPs = peer.allowedIPs.filter((prefix) => {
      const key = prefixKey(prefix);
      const owner = owners.get(key);
      if (owner === undefined) owners.set(key, peer.name);
      else if (owner !== peer.name) {
        const text = `allowed IP ${formatPrefix(prefix)} of Peer ${peer.name} is ignored: ` +
          `Peer ${owner} claims it`;
        warnings.push(warning("duplicate", `Peer ${peer.name}`, text));
      }
      return owner === undefined;
    });
    return allowedIPs.length === peer.allowedIPs.length ? peer : { ...peer, allowedIPs };
  });
  return { peers: unique, warnings };
}
