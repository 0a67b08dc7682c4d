/** Do two rules do the same? */

import type { Expression } from "./expression.ts";

/** Kinds that decide nothing: counters, and comments as iptables writes them. */
function isRemark(expression: Expression): boolean {
  if (expression.kind === undefined) return expression.name === "counter";
  return expression.kind === "match" && expression.data?.NFTA_MATCH_NAME === "comment";
}

/** Compares by what is written; counters and comments don't count. */
export function equalExpressions(a: readonly Expression[], b: readonly Expression[]): boolean {
  return equalValues(a.filter((each) => !isRemark(each)), b.filter((each) => !isRemark(each)));
}

/** Plain data and bytes, by value. The kernel tells numbers that nobody gave: an absent one is 0. */
function equalValues(a: unknown = 0, b: unknown = 0): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  const left = a as Record<string, unknown>;
  const right = b as Record<string, unknown>;
  const names = new Set([...Object.keys(left), ...Object.keys(right)]);
  return [...names].every((name) => equalValues(left[name], right[name]));
}
