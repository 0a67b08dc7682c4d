/** What the firewall shall mean on a node. */

import type { Firewall } from "../net/firewall.ts";
import { equalIP } from "../net/ip.ts";
import { hostPrefix, type Prefix } from "../net/prefix.ts";
import { type Encapsulation, strategyOf } from "./encapsulation.ts";
import type { Segment, Topology } from "./topology.ts";

export interface FirewallSettings extends Encapsulation {
  /** Are the routes inside the location ours to set? */
  readonly local: boolean;
  /** Is the pods' network on this node ours? */
  readonly cni: boolean;
  /** Accept forwarded pod traffic even where the host drops by default. */
  readonly forwardRules: boolean;
  /** Never masquerade traffic to these. */
  readonly serviceCIDRs: readonly Prefix[];
}

export function firewall(topology: Topology, settings: FirewallSettings): Firewall {
  const { local, localSegment, segments, peers } = topology;
  const peerIPs = peers.flatMap((peer) => peer.allowedIPs);
  const ipip = ipipSources(topology, settings);
  return {
    nat: {
      sources: settings.cni ? [local.subnet, ...peerIPs] : peerIPs,
      destinations: localSegment.allowedLocationIPs,
      keep: [
        ...segments.flatMap((segment) => segment.allowedIPs),
        ...peerIPs,
        ...settings.serviceCIDRs,
      ],
    },
    ...ipip && { ipip: { sources: ipip } },
    ...settings.cni && settings.forwardRules && { forward: forwarded(topology) },
  };
}

/** Who may send IPIP to this host; undefined where that is not ours to say. */
export function ipipSources(
  { local, segments }: Topology,
  settings: FirewallSettings,
): readonly Prefix[] | undefined {
  if (!settings.local || settings.encapsulator === "flannel") return undefined;
  if (strategyOf(settings) === "never") return undefined;
  const segment = segments.find(({ location }) => location === `location:${local.location}`);
  return segment ? [...internalAddresses(segment), ...encapsulationAddresses(segment)] : [];
}

/** Where packets come from that are not from an internal address; our agents publish it. */
function encapsulationAddresses(segment: Segment): Prefix[] {
  return segment.nodes.flatMap(({ internalIP, encapsulationIP: source }) =>
    source && !equalIP(source.ip, internalIP?.ip) ? [hostPrefix(source.ip)] : []
  );
}

export function internalAddresses(segment: Segment): Prefix[] {
  return segment.nodes.flatMap((node) => node.internalIP ? [hostPrefix(node.internalIP.ip)] : []);
}

function forwarded({ local, localSegment, isLeader }: Topology): readonly Prefix[] {
  if (!isLeader) return [local.subnet];
  return [
    ...localSegment.nodes.map((node) => node.subnet),
    ...localSegment.allowedLocationIPs,
    ...internalAddresses(localSegment),
  ];
}
