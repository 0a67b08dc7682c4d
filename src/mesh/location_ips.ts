/** Allowed location IPs: what may be reached through a segment besides its nodes. */

import { compareIP, type IP } from "../net/ip.ts";
import { formatPrefix, hostPrefix, network, type Prefix } from "../net/prefix.ts";
import { PrefixSet } from "../net/prefix_set.ts";
import { compareText } from "../net/text.ts";
import type { Node } from "./node.ts";
import type { Peer } from "./peer.ts";
import { type Warning, warning } from "../net/warning.ts";

/** What the filter needs of a segment; in the order of their WireGuard addresses. */
export interface Claimant {
  readonly location: string;
  readonly wireGuardIP: IP;
  readonly allowedIPs: readonly Prefix[];
  readonly allowedLocationIPs: readonly Prefix[];
}

/** All that the nodes declare, once each, sorted by text. */
export function declaredLocationIPs(nodes: readonly Node[]): readonly Prefix[] {
  const byText = new Map<string, Prefix>();
  for (const node of nodes) {
    for (const prefix of node.allowedLocationIPs) byText.set(formatPrefix(prefix), prefix);
  }
  return [...byText].sort(([a], [b]) => compareText(a, b)).map(([, prefix]) => prefix);
}

/**
 * The allowed location IPs each segment keeps, in the order of the segments, and a warning for
 * each one dropped.
 *
 * All agents must drop the same. Kilo's rule goes through the segments in order, and what a later
 * segment declares counts before it was filtered itself: so of segments whose declarations overlap
 * only the last keeps its own, and an earlier one's is never in the way of a later one's. That is
 * why we go backwards.
 */
export function filterLocationIPs(
  segments: readonly Claimant[],
  { subnet, peers }: { subnet: Prefix; peers: readonly Peer[] },
): { kept: (readonly Prefix[])[]; warnings: Warning[] } {
  const kept = segments.map((segment) => segment.allowedLocationIPs);
  const warnings: Warning[] = [];
  if (kept.every((prefixes) => prefixes.length === 0)) return { kept, warnings };

  // WireGuard addresses are checked apart: the later segments' are not known yet in Kilo's rule.
  const nodeIPs = new PrefixSet(segments.flatMap((segment) => segment.allowedIPs.slice(0, -1)));
  const peerIPs = new PrefixSet(peers.flatMap((peer) => peer.allowedIPs));
  const laterIPs = new PrefixSet();
  const base = network(subnet).ip;

  const obstacle = (prefix: Prefix, segment: Claimant): string | undefined => {
    const later = laterIPs.overlapping(prefix);
    if (later) return `${formatPrefix(later)}, declared by another location`;
    const node = nodeIPs.overlapping(hostPrefix(prefix.ip));
    if (node) return `${formatPrefix(node)} of a node`;
    if (isAssigned(prefix.ip, { base, last: segment.wireGuardIP })) return "a WireGuard address";
    const peer = peerIPs.overlapping(prefix);
    return peer && `${formatPrefix(peer)} of a Peer`;
  };

  for (const [index, segment] of [...segments.entries()].reverse()) {
    kept[index] = segment.allowedLocationIPs.filter((prefix) => {
      const found = obstacle(prefix, segment);
      if (found === undefined) return true;
      const text = formatPrefix(prefix);
      warnings.push(warning(
        "protected",
        segment.location,
        `allowed location IP ${text} of ${segment.location} is ignored: it overlaps ${found}`,
      ));
      return false;
    });
    for (const prefix of segment.allowedLocationIPs) laterIPs.add(prefix);
  }
  return { kept, warnings };
}

/** Is it one of the addresses given out so far, from the subnet's base (exclusive) to the last? */
function isAssigned(ip: IP, { base, last }: { base: IP; last: IP }): boolean {
  return compareIP(base, ip) < 0 && compareIP(ip, last) <= 0;
}
