/**
 * Changes of our tables in the terms of the original's rules in iptables, in which people count them:
 * what our sets hold are the rules there.
 */

import type { Family } from "../../net/ip.ts";
import type { FirewallChange } from "../../netlink/nftables/change.ts";
import { HOST_TABLE } from "./host_rules.ts";
import { DIALECTS, type SetName } from "./rendering.ts";

export interface Operation {
  readonly protocol: "IPv4" | "IPv6";
  readonly operation:
    | "AppendUnique"
    | "InsertUnique"
    | "Delete"
    | "NewChain"
    | "DeleteChain"
    | "ListChains";
  readonly table: string;
  readonly chain: string;
  /** How many of them. */
  readonly count: number;
}

type Place = Pick<Operation, "table" | "chain">;

const NAT = { table: "nat", chain: "KILO-NAT" };

/** Where the original has rules for what these sets hold. */
const SETS: Readonly<Record<SetName, Place>> = {
  sources: { table: "nat", chain: "POSTROUTING" },
  destinations: { table: "nat", chain: "POSTROUTING" },
  known: NAT,
  ipip: { table: "filter", chain: "KILO-IPIP" },
  forward: { table: "filter", chain: "FORWARD" },
};

/** Where it has what these chains of ours do. */
const CHAINS: Readonly<Record<string, Place>> = {
  postrouting: NAT,
  input: SETS.ipip,
  forward: SETS.forward,
};

/** Observing what is there. */
export function observeOperations(family: Family): Operation[] {
  const protocol = protocolOf(DIALECTS[family].table);
  return ["nat", "filter"].map((table) => (
    { protocol, operation: "ListChains", table, chain: "*", count: 1 }
  ));
}

export function operationsOf(changes: readonly FirewallChange[]): Operation[] {
  return changes.flatMap((change) => operationOf(change) ?? []);
}

/** Undefined for what has no counterpart: a set is there for its elements. */
function operationOf(change: FirewallChange): Operation | undefined {
  const { verb } = change;
  switch (change.kind) {
    case "table":
      // A table that goes takes all its chains along; one that comes is followed by them.
      if (verb === "add") return undefined;
      return operation("DeleteChain", change.table.family, NAT);
    case "chain": {
      const { family, table, name } = change.chain;
      const place = placeOf(table, name);
      return operation(verb === "add" ? "NewChain" : "DeleteChain", family, place);
    }
    case "rule": {
      const { family, table, chain } = verb === "delete" ? change.chain : change.rule;
      const place = placeOf(table, chain);
      if (verb === "delete") return operation("Delete", family, place);
      return operation(verb === "add" ? "AppendUnique" : "InsertUnique", family, place);
    }
    case "set":
      return undefined;
    case "elements": {
      const { family, name } = change.set;
      const place = SETS[name as SetName];
      const count = change.intervals.length;
      return { ...operation(verb === "add" ? "InsertUnique" : "Delete", family, place), count };
    }
  }
}

/** Of a chain of our own, or of the host's, which is called as the original knows it. */
function placeOf(table: string, chain: string): Place {
  if (table === HOST_TABLE) return { table, chain };
  return CHAINS[chain] ?? { table, chain };
}

function operation(name: Operation["operation"], family: string, place: Place): Operation {
  return { protocol: protocolOf(family), operation: name, ...place, count: 1 };
}

function protocolOf(family: string): Operation["protocol"] {
  return family === "ip6" ? "IPv6" : "IPv4";
}
