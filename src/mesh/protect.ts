/**
 * What a host keeps. The mesh as a value says what everybody computes; before a host applies it,
 * what would cut the host off, or take a node's networks from the node, is left out.
 */

import type { DeviceConfig, PeerConfig } from "../net/device.ts";
import type { Firewall } from "../net/firewall.ts";
import type { Key } from "../net/key.ts";
import { formatPrefix, hostPrefix, network, type Prefix } from "../net/prefix.ts";
import { PrefixMap } from "../net/prefix_map.ts";
import type { Claim, Route } from "../net/route.ts";
import { without } from "../net/without.ts";
import { equalIP, type IP } from "../net/ip.ts";
import { type Warning, warning } from "../net/warning.ts";
import type { Desired } from "./desired.ts";
import { type Holders, holdersOf } from "./holders.ts";
import type { HostFacts, Way } from "./host_facts.ts";
import { Kept, type Verdict } from "./kept.ts";
import { keptAddresses } from "./kept_addresses.ts";
import type { Segment, Topology } from "./topology.ts";

/**
 * What can be applied on a host like that. An address that a route must not take along gets one of its
 * own, by the way that leads there without the mesh; those come first, the others keep their order.
 * WireGuard still accepts from Peers what is not routed to them, but for what belongs to nodes. Each
 * thing left out is a warning.
 */
export function protect(
  { desired, topology }: { readonly desired: Desired; readonly topology: Topology },
  facts: HostFacts,
): Desired {
  const holders = holdersOf(topology);
  const { device } = desired;
  const kept = new Kept(topology.local, {
    holders,
    facts,
    addresses: keptAddresses(topology, { device, holders: holders.networks, facts }),
  });
  const warnings = new Map<string, Warning>();
  const judge = (dst: Prefix, claim: Claim): Verdict | undefined => {
    const verdict = kept.verdict(dst, claim);
    if (verdict) note(warnings, { dst, claim, verdict });
    return verdict;
  };
  const ofPeers = judgePeers(topology, judge);
  return {
    ...desired,
    device: protectDevice(device, { topology, holders, kept, ofPeers }),
    routes: protectRoutes(desired.routes, {
      verdict: (dst, claim) => claim.kind === "peer" ? ofPeers.get(dst) : judge(dst, claim),
      way: (ip) => kept.way(ip),
    }),
    firewall: protectFirewall(desired.firewall, ofPeers),
    warnings: [...desired.warnings, ...holders.warnings, ...warnings.values()],
  };
}

/** Of the allowed IPs of Peers that are not just routed; each prefix belongs to one of them. */
type PeerVerdicts = ReadonlyMap<Prefix, Verdict>;

function judgePeers({ peers }: Topology, judge: Judge): PeerVerdicts {
  const verdicts = new Map<Prefix, Verdict>();
  for (const { name, allowedIPs } of peers) {
    const claim: Claim = { kind: "peer", owner: `Peer ${name}` };
    for (const prefix of allowedIPs) {
      const verdict = judge(prefix, claim);
      if (verdict) verdicts.set(prefix, verdict);
    }
  }
  return verdicts;
}

/** One warning for each object and network; that nodes claim the same is told of already. */
function note(
  warnings: Map<string, Warning>,
  { dst, claim: { kind, owner }, verdict: { holder, reason, isExpected } }: {
    readonly dst: Prefix;
    readonly claim: Claim;
    readonly verdict: Verdict;
  },
): void {
  if (isExpected || holder && kind !== "peer" && kind !== "location") return;
  const about = `${owner}: ${formatPrefix(network(dst))}`;
  warnings.set(about, warning(holder ? "duplicate" : "protected", owner, `${about} ${reason}`));
}

type Judge = (dst: Prefix, claim: Claim) => Verdict | undefined;

function protectRoutes(
  routes: readonly Route[],
  { verdict, way }: { readonly verdict: Judge; readonly way: (ip: IP) => Way | undefined },
): readonly Route[] {
  const apart = new PrefixMap<Route>();
  const routed = routes.filter(({ dst, claim }) => {
    const found = claim && verdict(dst, claim);
    for (const ip of found?.around ?? []) {
      const direct = way(ip);
      if (direct) apart.set(hostPrefix(ip), hostRoute(ip, direct));
    }
    return !found || found.isRouted;
  });
  return [...apart.values(), ...routed];
}

/** A gateway is its own neighbour. */
function hostRoute(ip: IP, { gateway, oif, source, onlink }: Way): Route {
  const isNeighbour = gateway === undefined || equalIP(gateway, ip);
  return {
    ...{ dst: hostPrefix(ip), oif, onlink: onlink && !isNeighbour },
    ...!isNeighbour && { gateway },
    ...source && { source },
  };
}

/** What is not routed to a Peer is masqueraded like anything else outside of the mesh. */
function protectFirewall(firewall: Firewall, ofPeers: PeerVerdicts): Firewall {
  if (ofPeers.size === 0) return firewall;
  const routed = (prefixes: readonly Prefix[]) =>
    prefixes.flatMap((prefix) => {
      const verdict = ofPeers.get(prefix);
      return verdict ? piecesOf(prefix, verdict) : [prefix];
    });
  const { nat } = firewall;
  return { ...firewall, nat: { ...nat, sources: routed(nat.sources), keep: routed(nat.keep) } };
}

/** In a set of the firewall a network may be many, but not too many. */
function piecesOf(prefix: Prefix, { isRouted, around }: Verdict): readonly Prefix[] {
  return isRouted ? without(prefix, around, { limit: MOST_PIECES }) ?? [prefix] : [];
}

const MOST_PIECES = 1000;

/** What a node has is nobody else's: neither a Peer's, nor another segment's. */
function protectDevice(
  device: DeviceConfig,
  { topology, holders, kept, ofPeers }: {
    readonly topology: Topology;
    readonly holders: Holders;
    readonly kept: Kept;
    readonly ofPeers: PeerVerdicts;
  },
): DeviceConfig {
  const segments = new Map<Key, Segment>(
    topology.segments.map((segment) => [segment.leader.key, segment]),
  );
  let isChanged = false;
  const peers = device.peers.map((peer): PeerConfig => {
    const segment = segments.get(peer.publicKey);
    const safe = segment
      ? protectSegment(peer, { segment, holders })
      : protectPeer(peer, { kept, ofPeers });
    isChanged ||= safe !== peer;
    return safe;
  });
  return isChanged ? { ...device, peers } : device;
}

function protectSegment(
  peer: PeerConfig,
  { segment, holders }: { readonly segment: Segment; readonly holders: Holders },
): PeerConfig {
  if (holders.warnings.length === 0 && segment.allowedLocationIPs.length === 0) return peer;
  const isOwn = (prefix: Prefix) => {
    const holder = holders.networks.covering(prefix);
    return !holder || holder.segment === segment;
  };
  if (peer.allowedIPs.every(isOwn)) return peer;
  return { ...peer, allowedIPs: peer.allowedIPs.filter(isOwn) };
}

/** A first packet must not leave by another way than the tunnel. */
function protectPeer(
  peer: PeerConfig,
  { kept, ofPeers }: { readonly kept: Kept; readonly ofPeers: PeerVerdicts },
): PeerConfig {
  if (ofPeers.size === 0) return peer;
  const isFree = (prefix: Prefix) => !ofPeers.get(prefix)?.holder;
  const isWhole = peer.allowedIPs.every(isFree);
  const isProbed = !peer.probe || !kept.verdict(hostPrefix(peer.probe), A_PEERS);
  if (isWhole && isProbed) return peer;
  const { probe, ...rest } = peer;
  return {
    ...rest,
    ...isProbed && probe && { probe },
    allowedIPs: isWhole ? peer.allowedIPs : peer.allowedIPs.filter(isFree),
  };
}

/** Whoever the Peer is. */
const A_PEERS: Claim = { kind: "peer", owner: "" };
