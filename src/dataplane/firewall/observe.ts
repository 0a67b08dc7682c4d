/** What is there of our firewall in one address family. */

import type { Family } from "../../net/ip.ts";
import type { Connection } from "../../netlink/connection.ts";
import { NetlinkError } from "../../netlink/error.ts";
import {
  listChains,
  NF_ACCEPT,
  type ObservedChain,
  readChain,
} from "../../netlink/nftables/chain.ts";
import { listElements, readElements } from "../../netlink/nftables/element.ts";
import type { Interval } from "../../netlink/nftables/interval.ts";
import {
  type ChainName,
  listRules,
  type ObservedRule,
  readRule,
} from "../../netlink/nftables/rule.ts";
import { listSets, readSet } from "../../netlink/nftables/set.ts";
import { getTable, type ObservedTable, readTable } from "../../netlink/nftables/table.ts";
import { HOST_CHAINS, HOST_TABLE, type HostChain, isHostRule } from "./host_rules.ts";
import {
  type BaseChain,
  DIALECTS,
  type KiloTable,
  SET_NAMES,
  type SetName,
  type Sets,
  TABLE_NAME,
} from "./rendering.ts";

export interface Observed {
  /** `unfit`: it holds something that we never put there. */
  readonly table: KiloTable | "absent" | "unfit";
  /** Our rules in those of the host's chains that exist. */
  readonly host: Readonly<Partial<Record<HostChain, readonly ObservedRule[]>>>;
}

/** Reads it from the kernel; a NetlinkError if that does not let us. */
export function observe(connection: Connection, family: Family): Observed {
  const { table } = DIALECTS[family];
  const chains = connection.dump(listChains(table)).map(readChain);
  return {
    table: observeTable(connection, family, chains.filter((chain) => chain.table === TABLE_NAME)),
    host: observeHost(connection, family, chains.filter((chain) => chain.table === HOST_TABLE)),
  };
}

function observeTable(
  connection: Connection,
  family: Family,
  chains: readonly ObservedChain[],
): Observed["table"] {
  const found = findTable(connection, family);
  if (!found) return "absent";
  const sets = observeSets(connection, family);
  const baseChains = chains.map((chain) => observeChain(connection, family, chain));
  const isOurs = found.flags === 0 && found.use === chains.length + SET_NAMES.length;
  return isOurs && sets && baseChains.every((chain) => chain !== undefined)
    ? { chains: baseChains, sets }
    : "unfit";
}

function findTable(connection: Connection, family: Family): ObservedTable | undefined {
  const { table } = DIALECTS[family];
  try {
    return readTable(connection.get(getTable({ family: table, name: TABLE_NAME })));
  } catch (error) {
    if (error instanceof NetlinkError && error.isNotFound()) return undefined;
    throw error;
  }
}

/** Undefined unless there are exactly our sets, with nothing but intervals in them. */
function observeSets(connection: Connection, family: Family): Sets | undefined {
  const { table, type } = DIALECTS[family];
  const found = connection.dump(listSets({ family: table, name: TABLE_NAME })).map(readSet);
  const sets: Partial<Record<SetName, readonly Interval[]>> = {};
  for (const name of SET_NAMES) {
    const set = { family: table, table: TABLE_NAME, name, type };
    if (found.find((each) => each.name === name)?.type !== type) return undefined;
    const elements = readElements(connection.dump(listElements(set)), type);
    if (!elements) return undefined;
    sets[name] = elements;
  }
  return found.length === SET_NAMES.length ? sets as Sets : undefined;
}

/** Undefined if it is no base chain, or one that drops. */
function observeChain(
  connection: Connection,
  family: Family,
  { name, hook, policy }: ObservedChain,
): BaseChain | undefined {
  if (!hook || policy !== NF_ACCEPT) return undefined;
  const chain = { family: DIALECTS[family].table, table: TABLE_NAME, chain: name };
  return { name, hook, rules: rulesOf(connection, chain) };
}

function observeHost(
  connection: Connection,
  family: Family,
  chains: readonly ObservedChain[],
): Observed["host"] {
  const host: Partial<Record<HostChain, readonly ObservedRule[]>> = {};
  for (const name of HOST_CHAINS) {
    if (!chains.some((chain) => chain.name === name)) continue;
    const rules = rulesOf(connection, hostChain(family, name));
    host[name] = rules.filter(({ comment }) => isHostRule(comment));
  }
  return host;
}

export function hostChain(family: Family, chain: HostChain): ChainName {
  return { family: DIALECTS[family].table, table: HOST_TABLE, chain };
}

function rulesOf(connection: Connection, chain: ChainName): ObservedRule[] {
  return connection.dump(listRules(chain)).map(readRule);
}
