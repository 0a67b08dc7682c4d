/** The firewall's meaning as exactly the iptables rules that Kilo has always used. */

import type { Family } from "../net/ip.ts";
import { formatPrefix, hostPrefix, type Prefix } from "../net/prefix.ts";
import { type FirewallSettings, internalAddresses, ipipSources } from "./firewall.ts";
import type { Topology } from "./topology.ts";

/** A chain of our own, to be made where it is missing. */
export interface IptablesChain {
  readonly family: Family;
  readonly table: "nat" | "filter";
  readonly chain: string;
}

export interface IptablesRule extends IptablesChain {
  /** IP protocol 4, IPIP. */
  readonly protocol?: "ipencap";
  /** May carry host bits, as may the destination. */
  readonly source?: Prefix;
  readonly destination?: Prefix;
  readonly comment: string;
  readonly target: "ACCEPT" | "DROP" | "RETURN" | "MASQUERADE" | "KILO-NAT" | "KILO-IPIP";
}

export interface IptablesRules {
  readonly chains: readonly IptablesChain[];
  /** Appended to their chains in this order. */
  readonly append: readonly IptablesRule[];
  /** Each inserted before all others of its chain, in this order: a chain ends up reversed. */
  readonly prepend: readonly IptablesRule[];
}

const FAMILIES: readonly Family[] = [4, 6];
const INPUT = { table: "filter", chain: "INPUT" } as const;
const FORWARD = { table: "filter", chain: "FORWARD" } as const;
const KILO_IPIP = { table: "filter", chain: "KILO-IPIP" } as const;
const POSTROUTING = { table: "nat", chain: "POSTROUTING" } as const;
const KILO_NAT = { table: "nat", chain: "KILO-NAT" } as const;

/** All rules of this node, equal ones once. */
export function iptablesRules(topology: Topology, settings: FirewallSettings): IptablesRules {
  const ipip = ipipRules(topology, settings);
  const nat = natRules(topology, settings);
  if (!ipip) return { ...nat, append: once(nat.append), prepend: once(nat.prepend) };
  return {
    chains: [...ipip.chains, ...nat.chains],
    append: once([...ipip.append, ...nat.append]),
    prepend: once([...ipip.prepend, ...nat.prepend]),
  };
}

/** What keeps strangers' IPIP packets out; undefined where that is not ours to do. */
export function ipipRules(
  topology: Topology,
  settings: FirewallSettings,
): IptablesRules | undefined {
  const sources = ipipSources(topology, settings);
  if (!sources) return undefined;
  const match = { ...INPUT, protocol: "ipencap" } as const;
  return {
    chains: inBoth(KILO_IPIP),
    append: [
      ...inBoth({ ...match, comment: "Kilo: jump to IPIP chain", target: "KILO-IPIP" } as const),
      ...inBoth({ ...match, comment: "Kilo: reject other IPIP traffic", target: "DROP" } as const),
    ],
    prepend: sources.map((source) => ({
      family: source.ip.family,
      ...KILO_IPIP,
      source,
      comment: "Kilo: allow IPIP traffic",
      target: "ACCEPT",
    })),
  };
}

/** Masquerading, and forwarding where it is asked for. */
export function natRules(topology: Topology, settings: FirewallSettings): IptablesRules {
  const { local, localSegment, segments, peers } = topology;
  const prepend: IptablesRule[] = [];
  if (settings.cni) prepend.push(decide("source", local.subnet, "Kilo: jump to KILO-NAT chain"));
  if (settings.cni && settings.forwardRules) prepend.push(...forwardRules(topology));
  for (const segment of segments) {
    prepend.push(keep(hostPrefix(segment.wireGuardIP), "WireGuared IPs"));
    for (const prefix of segment.allowedIPs) prepend.push(keep(prefix, "known IPs"));
    if (segment !== localSegment) continue;
    for (const prefix of segment.allowedLocationIPs) prepend.push(decide("destination", prefix));
  }
  for (const peer of peers) {
    for (const prefix of peer.allowedIPs) {
      prepend.push(decide("source", prefix), keep(prefix, "peers"));
    }
  }
  const comment = "Kilo: NAT remaining packets";
  return {
    chains: inBoth(KILO_NAT),
    append: [
      ...settings.serviceCIDRs.map((prefix) => keep(prefix, "service CIDRs")),
      ...inBoth({ ...KILO_NAT, comment, target: "MASQUERADE" } as const),
    ],
    prepend,
  };
}

function forwardRules({ local, localSegment, isLeader }: Topology): IptablesRule[] {
  if (!isLeader) return forward(local.subnet, "the node's pod subnet");
  return [
    ...localSegment.nodes.flatMap((node) => forward(node.subnet, "the pod subnet")),
    ...localSegment.allowedLocationIPs.flatMap((ip) => forward(ip, "allowed location IPs")),
    ...internalAddresses(localSegment).flatMap((ip) => forward(ip, "private IPs")),
  ];
}

function forward(prefix: Prefix, what: string): IptablesRule[] {
  const rule = { family: prefix.ip.family, ...FORWARD, target: "ACCEPT" } as const;
  return [
    { ...rule, source: prefix, comment: `Kilo: forward packets from ${what}` },
    { ...rule, destination: prefix, comment: `Kilo: forward packets to ${what}` },
  ];
}

/** Packets from or to these pass the decision to masquerade. */
function decide(
  match: "source" | "destination",
  prefix: Prefix,
  comment = "Kilo: jump to NAT chain",
): IptablesRule {
  const { family } = prefix.ip;
  return { family, ...POSTROUTING, [match]: prefix, comment, target: "KILO-NAT" };
}

/** Packets to these keep their source. */
function keep(destination: Prefix, what: string): IptablesRule {
  const comment = `Kilo: do not NAT packets destined for ${what}`;
  return { family: destination.ip.family, ...KILO_NAT, destination, comment, target: "RETURN" };
}

function inBoth<T extends object>(item: T): (T & { family: Family })[] {
  return FAMILIES.map((family) => ({ family, ...item }));
}

function once(rules: readonly IptablesRule[]): IptablesRule[] {
  return [...new Map(rules.map((rule) => [formatRule(rule), rule])).values()];
}

/** As one would give it to iptables: `4 nat -N KILO-NAT`. */
export function formatChain({ family, table, chain }: IptablesChain): string {
  return `${family} ${table} -N ${chain}`;
}

/** As one would give it to iptables, after family and table: `4 nat -A KILO-NAT -d …`. */
export function formatRule(rule: IptablesRule): string {
  const match = [
    ...rule.protocol ? [`-p ${rule.protocol}`] : [],
    ...rule.source ? [`-s ${formatPrefix(rule.source)}`] : [],
    ...rule.destination ? [`-d ${formatPrefix(rule.destination)}`] : [],
  ];
  const comment = `-m comment --comment "${rule.comment}"`;
  // Kilo has always written the comment first there.
  const words = rule.chain === "FORWARD" ? [comment, ...match] : [...match, comment];
  return `${rule.family} ${rule.table} -A ${rule.chain} ${words.join(" ")} -j ${rule.target}`;
}
