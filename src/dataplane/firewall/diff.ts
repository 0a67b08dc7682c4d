/** The changes from the observed to the desired firewall of one address family. Pure. */

import type { Family } from "../../net/ip.ts";
import type { FirewallChange } from "../../netlink/nftables/change.ts";
import { equalExpressions } from "../../netlink/nftables/expression/equal.ts";
import type { Rule } from "../../netlink/nftables/rule.ts";
import type { AddressSet } from "../../netlink/nftables/set.ts";
import { HOST_CHAINS, type HostRules } from "./host_rules.ts";
import { diffIntervals } from "./intervals.ts";
import { hostChain, type Observed } from "./observe.ts";
import {
  type BaseChain,
  DIALECTS,
  type KiloTable,
  type RuleBody,
  SET_NAMES,
  type SetName,
  type Sets,
  TABLE_NAME,
} from "./rendering.ts";

/** The desired state of one family. */
export interface DesiredFamily {
  readonly table: KiloTable;
  readonly host: HostRules;
}

export function diffFamily(
  family: Family,
  observed: Observed,
  desired: DesiredFamily,
): FirewallChange[] {
  return [
    ...diffTable(family, observed.table, desired.table),
    ...diffHost(family, observed.host, desired.host),
  ];
}

/** Other members are a few elements; anything else that differs replaces the whole table at once. */
function diffTable(
  family: Family,
  observed: Observed["table"],
  desired: KiloTable,
): FirewallChange[] {
  if (typeof observed === "object" && equalChains(observed.chains, desired.chains)) {
    return diffSets(family, observed.sets, desired.sets);
  }
  return [
    ...observed === "absent" ? [] : [tableChange("delete", family)],
    tableChange("add", family),
    ...SET_NAMES.flatMap((name) => newSet(family, name, desired.sets)),
    ...desired.chains.flatMap((chain) => newChain(family, chain)),
  ];
}

/** Removes everything of ours. */
export function removal(family: Family, observed: Observed): FirewallChange[] {
  return [
    ...diffHost(family, observed.host, {}),
    ...observed.table === "absent" ? [] : [tableChange("delete", family)],
  ];
}

/** The elements that leave and enter the sets of a table that stays as it is. */
export function diffSets(family: Family, from: Sets, to: Sets): FirewallChange[] {
  return SET_NAMES.flatMap((name) => {
    const { removed, added } = diffIntervals(from[name], to[name]);
    const set = addressSet(family, name);
    // Removed first: an interval that grows is the old one away and the new one in.
    return [
      ...elements("delete", set, removed),
      ...elements("add", set, added),
    ];
  });
}

function elements(
  verb: "add" | "delete",
  set: AddressSet,
  intervals: Sets[SetName],
): FirewallChange[] {
  return intervals.length > 0 ? [{ kind: "elements", verb, set, intervals }] : [];
}

function tableChange(verb: "add" | "delete", family: Family): FirewallChange {
  return { kind: "table", verb, table: { family: DIALECTS[family].table, name: TABLE_NAME } };
}

function newSet(family: Family, name: SetName, sets: Sets): FirewallChange[] {
  const set = addressSet(family, name);
  return [{ kind: "set", verb: "add", set }, ...elements("add", set, sets[name])];
}

function addressSet(family: Family, name: SetName): AddressSet {
  const { table, type } = DIALECTS[family];
  return { family: table, table: TABLE_NAME, name, type };
}

function newChain(family: Family, { name, hook, rules }: BaseChain): FirewallChange[] {
  const place = { family: DIALECTS[family].table, table: TABLE_NAME };
  return [
    { kind: "chain", verb: "add", chain: { ...place, name, hook } },
    ...rules.map((body) => ruleChange("add", { ...place, chain: name, ...body })),
  ];
}

function ruleChange(verb: "add" | "insert", rule: Rule): FirewallChange {
  return { kind: "rule", verb, rule };
}

/** One rule, at the head, in each of the host's chains that is there and that we need. */
function diffHost(
  family: Family,
  observed: Observed["host"],
  desired: HostRules,
): FirewallChange[] {
  return HOST_CHAINS.flatMap((name) => {
    const found = observed[name];
    if (!found) return [];
    const chain = hostChain(family, name);
    const wanted = desired[name];
    if (wanted && found.length === 1 && equalRules(found[0]!, wanted)) return [];
    return [
      ...wanted ? [ruleChange("insert", { ...chain, ...wanted })] : [],
      ...found.map(({ handle }): FirewallChange => ({
        kind: "rule",
        verb: "delete",
        chain,
        handle,
      })),
    ];
  });
}

/** Is the difference, if any, one of elements only? */
export function equalStructure(a: DesiredFamily, b: DesiredFamily): boolean {
  return equalChains(a.table.chains, b.table.chains) &&
    HOST_CHAINS.every((name) => (a.host[name] === undefined) === (b.host[name] === undefined));
}

function equalChains(a: readonly BaseChain[], b: readonly BaseChain[]): boolean {
  return a.length === b.length && a.every((chain) => {
    const other = b.find(({ name }) => name === chain.name);
    return other !== undefined && equalChain(chain, other);
  });
}

function equalChain(a: BaseChain, b: BaseChain): boolean {
  return a.hook.type === b.hook.type && a.hook.number === b.hook.number &&
    a.hook.priority === b.hook.priority && a.rules.length === b.rules.length &&
    a.rules.every((rule, index) => equalRules(rule, b.rules[index]!));
}

function equalRules(a: RuleBody, b: RuleBody): boolean {
  return a.comment === b.comment && equalExpressions(a.expressions, b.expressions);
}
