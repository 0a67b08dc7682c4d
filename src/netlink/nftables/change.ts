/** What a transaction is made of: a pure list of changes, each with its encoding. */

import type { Request } from "../message.ts";
import { type Chain, changeChain } from "./chain.ts";
import { changeElements } from "./element.ts";
import type { Interval } from "./interval.ts";
import { addRule, type ChainName, deleteRule, type Rule } from "./rule.ts";
import { type AddressSet, addSet } from "./set.ts";
import { changeTable, type Table } from "./table.ts";

export type FirewallChange =
  | { readonly kind: "table"; readonly verb: "add" | "delete"; readonly table: Table }
  | { readonly kind: "chain"; readonly verb: "add" | "delete"; readonly chain: Chain }
  | { readonly kind: "rule"; readonly verb: "add" | "insert"; readonly rule: Rule }
  /** Of all rules of the chain, or of one. */
  | {
    readonly kind: "rule";
    readonly verb: "delete";
    readonly chain: ChainName;
    readonly handle?: bigint;
  }
  | { readonly kind: "set"; readonly verb: "add"; readonly set: AddressSet }
  | {
    readonly kind: "elements";
    readonly verb: "add" | "delete";
    readonly set: AddressSet;
    /** Disjoint, also from those that stay in the set. */
    readonly intervals: readonly Interval[];
  };

/** The messages of a change: one, or for many elements several. */
export function encodeChange(change: FirewallChange): readonly Request[] {
  switch (change.kind) {
    case "table":
      return [changeTable(change.verb, change.table)];
    case "chain":
      return [changeChain(change.verb, change.chain)];
    case "rule":
      return [
        change.verb === "delete"
          ? deleteRule(change.chain, change.handle)
          : addRule(change.verb, change.rule),
      ];
    case "set":
      return [addSet(change.set)];
    case "elements":
      return changeElements(change.verb, change);
  }
}
