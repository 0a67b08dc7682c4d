/**
 * The firewall as nf_tables shall hold it: a table `kilo` for each address family, whose rules never
 * change and whose sets say for whom. Everything that follows from the mesh is in the sets.
 */

import type { Family } from "../../net/ip.ts";
import type { Firewall } from "../../net/firewall.ts";
import {
  type Hook,
  NF_INET_FORWARD,
  NF_INET_LOCAL_IN,
  NF_INET_POST_ROUTING,
} from "../../netlink/nftables/chain.ts";
import { equal } from "../../netlink/nftables/expression/cmp.ts";
import type { Expression } from "../../netlink/nftables/expression/expression.ts";
import { verdict } from "../../netlink/nftables/expression/immediate.ts";
import { inSet, notInSet } from "../../netlink/nftables/expression/lookup.ts";
import { masquerade } from "../../netlink/nftables/expression/masq.ts";
import { loadMeta, NFT_META_L4PROTO } from "../../netlink/nftables/expression/meta.ts";
import { loadNetworkHeader } from "../../netlink/nftables/expression/payload.ts";
import type { TableFamily } from "../../netlink/nftables/family.ts";
import type { Interval } from "../../netlink/nftables/interval.ts";
import type { AddressType } from "../../netlink/nftables/set.ts";
import { Cover } from "./cover.ts";
import { unionIntervals } from "./intervals.ts";
import { setMark } from "./mark.ts";

/** The name of our tables: whatever is in them is ours. */
export const TABLE_NAME = "kilo";

/** The sets of each table, empty for chains that are not desired. */
export const SET_NAMES = ["sources", "destinations", "known", "ipip", "forward"] as const;
export type SetName = typeof SET_NAMES[number];

export type Sets = Readonly<Record<SetName, readonly Interval[]>>;

export interface RuleBody {
  readonly expressions: readonly Expression[];
  /** Undefined only in what others made. */
  readonly comment?: string | undefined;
}

export interface BaseChain {
  readonly name: string;
  readonly hook: Hook;
  readonly rules: readonly RuleBody[];
}

/** One family's table. */
export interface KiloTable {
  readonly chains: readonly BaseChain[];
  readonly sets: Sets;
}

/** What differs between the families. */
export interface Dialect {
  readonly table: TableFamily;
  readonly type: AddressType;
  /** Where in the header source and destination are, and their length. */
  readonly source: readonly [offset: number, length: number];
  readonly destination: readonly [offset: number, length: number];
}

export const DIALECTS: Readonly<Record<Family, Dialect>> = {
  4: { table: "ip", type: "ipv4_addr", source: [12, 4], destination: [16, 4] },
  6: { table: "ip6", type: "ipv6_addr", source: [8, 16], destination: [24, 16] },
};

/** IP in IP (IANA protocol numbers); iptables calls it ipencap. */
export const IPPROTO_IPIP = 4;

export function renderChains(firewall: Firewall, family: Family): readonly BaseChain[] {
  const dialect = DIALECTS[family];
  return [
    postrouting(dialect),
    ...firewall.ipip ? [input(dialect)] : [],
    ...firewall.forward ? [forward(dialect)] : [],
  ];
}

/** Before iptables' source NAT (100): whatever is masqueraded here is not asked about again there. */
function postrouting({ source, destination }: Dialect): BaseChain {
  return {
    name: "postrouting",
    hook: { type: "nat", number: NF_INET_POST_ROUTING, priority: 95 },
    rules: [
      {
        comment: "Kilo: leave known destinations alone",
        expressions: [loadNetworkHeader(...destination), inSet("known"), verdict("return")],
      },
      {
        comment: "Kilo: masquerade what pods and peers send elsewhere",
        expressions: [loadNetworkHeader(...source), inSet("sources"), masquerade()],
      },
      {
        comment: "Kilo: masquerade what goes to allowed location IPs",
        expressions: [loadNetworkHeader(...destination), inSet("destinations"), masquerade()],
      },
    ],
  };
}

/** Others may still drop what passes here, so host_rules.ts accepts it in the host's own chain. */
function input({ source }: Dialect): BaseChain {
  return {
    name: "input",
    hook: { type: "filter", number: NF_INET_LOCAL_IN, priority: -1 },
    rules: [{
      comment: "Kilo: reject other IPIP traffic",
      expressions: [
        ...isIPIP(),
        loadNetworkHeader(...source),
        notInSet("ipip"),
        verdict("drop"),
      ],
    }],
  };
}

/** `meta l4proto 4` */
export function isIPIP(): Expression[] {
  return [loadMeta(NFT_META_L4PROTO), equal(Uint8Array.of(IPPROTO_IPIP))];
}

/** Others may still drop what passes here, so host_rules.ts accepts the mark in the host's own chain. */
function forward({ source, destination }: Dialect): BaseChain {
  return {
    name: "forward",
    hook: { type: "filter", number: NF_INET_FORWARD, priority: -1 },
    rules: [
      {
        comment: "Kilo: mark packets from pods and their nodes",
        expressions: [loadNetworkHeader(...source), inSet("forward"), ...setMark()],
      },
      {
        comment: "Kilo: mark packets to pods and their nodes",
        expressions: [loadNetworkHeader(...destination), inSet("forward"), ...setMark()],
      },
    ],
  };
}

/** For each set, what its list of prefixes covers. */
export type Covers = Readonly<Record<SetName, Cover>>;

export function newCovers(family: Family): Covers {
  const cover = () => new Cover(family);
  return {
    sources: cover(),
    destinations: cover(),
    known: cover(),
    ipip: cover(),
    forward: cover(),
  };
}

export function renderSets({ nat, ipip, forward }: Firewall, covers: Covers): Sets {
  return {
    sources: covers.sources.of(nat.sources),
    destinations: covers.destinations.of(nat.destinations),
    known: covers.known.of(nat.keep),
    ipip: covers.ipip.of(ipip?.sources ?? []),
    forward: covers.forward.of(forward ?? []),
  };
}

/** What is in either. */
export function unionSets(a: Sets, b: Sets): Sets {
  return {
    sources: unionIntervals(a.sources, b.sources),
    destinations: unionIntervals(a.destinations, b.destinations),
    known: unionIntervals(a.known, b.known),
    ipip: unionIntervals(a.ipip, b.ipip),
    forward: unionIntervals(a.forward, b.forward),
  };
}

/** The same, but nobody's traffic is masqueraded. */
export function withholdMasquerade(sets: Sets): Sets {
  return { ...sets, sources: [], destinations: [] };
}
