/** Which node has which network. What a node has stays the node's, whoever else claims it. */

import { formatPrefix, hostPrefix, type Prefix } from "../net/prefix.ts";
import { PrefixMap } from "../net/prefix_map.ts";
import type { Claim } from "../net/route.ts";
import { compareText } from "../net/text.ts";
import { type Warning, warning } from "../net/warning.ts";
import type { CompleteNode } from "./readiness.ts";
import type { Segment, Topology } from "./topology.ts";

/** A node that has a network. */
export interface Holder {
  readonly network: Prefix;
  readonly kind: Claim["kind"];
  readonly node: CompleteNode;
  readonly segment: Segment;
}

/** As claims and warnings name it. */
export function nameOf({ node }: Holder): string {
  return `node ${node.name}`;
}

export interface Holders {
  readonly networks: PrefixMap<Holder>;
  /** One for each node that claims what another has; none: no two claim the same. */
  readonly warnings: readonly Warning[];
}

/**
 * Pod subnets, internal and WireGuard addresses of all nodes. Of two nodes with one network the own
 * segment comes first where this host reaches it directly, then the older Node, then the first by
 * name.
 */
export function holdersOf(topology: Topology): Holders {
  const networks = new PrefixMap<Holder>();
  const warnings: Warning[] = [];
  const enter = (claimant: Holder) => {
    const rival = networks.add(claimant.network, claimant);
    if (!rival) return;
    const isFirst = precedes(claimant, rival, topology);
    if (isFirst) networks.set(claimant.network, claimant);
    warnings.push(isFirst ? duplicate(rival, claimant) : duplicate(claimant, rival));
  };
  for (const segment of topology.segments) {
    const { leader, wireGuardIP } = segment;
    enter({ network: hostPrefix(wireGuardIP), kind: "wireguard", node: leader, segment });
    for (const node of segment.nodes) {
      enter({ network: node.subnet, kind: "subnet", node, segment });
      const { internalIP } = node;
      if (!internalIP) continue;
      enter({ network: hostPrefix(internalIP.ip), kind: "internal", node, segment });
    }
  }
  return { networks, warnings };
}

/** What the nodes claim from each other, and the Peers from nodes: a warning for each. */
export function claimWarnings(topology: Topology): readonly Warning[] {
  const { networks, warnings } = holdersOf(topology);
  const ofPeers = topology.peers.flatMap(({ name, allowedIPs }) =>
    allowedIPs.flatMap((prefix) => {
      const holder = networks.covering(prefix);
      if (!holder) return [];
      const text = `Peer ${name} claims ${formatPrefix(prefix)}, ` +
        `but ${formatPrefix(holder.network)} belongs to ${nameOf(holder)}`;
      return [warning("duplicate", `Peer ${name}`, text)];
    })
  );
  return [...warnings, ...ofPeers];
}

function precedes(a: Holder, b: Holder, topology: Topology): boolean {
  const { created: first = Infinity } = a.node;
  const { created: second = Infinity } = b.node;
  const ranks = rankOf(a, topology) - rankOf(b, topology);
  if (ranks !== 0) return ranks < 0;
  return first === second ? compareText(a.node.name, b.node.name) < 0 : first < second;
}

/** WireGuard addresses are given out by the mesh itself, and never to two. */
function rankOf({ kind, node, segment }: Holder, { local, localSegment }: Topology): number {
  if (kind === "wireguard") return 0;
  const isNear = kind === "internal" ? segment === localSegment : node === local;
  return isNear ? 1 : 2;
}

function duplicate(loser: Holder, keeper: Holder): Warning {
  const text = `${nameOf(loser)} claims ${formatPrefix(loser.network)}, ` +
    `which ${nameOf(keeper)} has and keeps`;
  return warning("duplicate", nameOf(loser), text);
}
