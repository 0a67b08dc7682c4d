/** Rules: expressions, worked through from the first as long as they hold. */

import { list, table as layout } from "../attribute.ts";
import { be64, bytes, string } from "../codec.ts";
import { MalformedError } from "../error.ts";
import { type Message, NLM_F_APPEND, NLM_F_CREATE, type Request } from "../message.ts";
import { decodeComment, encodeComment } from "./comment.ts";
import { type Expression, expression } from "./expression/expression.ts";
import { matchComment } from "./expression/match.ts";
import type { TableFamily } from "./family.ts";
import { readAttributesOf, request } from "./message.ts";

/** Names a chain. */
export interface ChainName {
  readonly family: TableFamily;
  readonly table: string;
  readonly chain: string;
}

export interface Rule extends ChainName {
  readonly expressions: readonly Expression[];
  /** At most 127 bytes. */
  readonly comment?: string | undefined;
}

export interface ObservedRule {
  /** Names it in its table. */
  readonly handle: bigint;
  readonly expressions: readonly Expression[];
  /** Written by nft, or as a match by iptables. */
  readonly comment: string | undefined;
}

/** enum nft_rule_attributes */
export const RULE = layout({
  NFTA_RULE_TABLE: [1, string],
  NFTA_RULE_CHAIN: [2, string],
  NFTA_RULE_HANDLE: [3, be64],
  NFTA_RULE_EXPRESSIONS: [4, list(expression, 1)],
  NFTA_RULE_USERDATA: [7, bytes],
});

/** `add rule …` at the end of its chain, or `insert` at its head. */
export function addRule(verb: "add" | "insert", rule: Rule): Request {
  const { family, comment } = rule;
  return request({
    message: "NEWRULE",
    family,
    flags: NLM_F_CREATE | (verb === "add" ? NLM_F_APPEND : 0),
    describe: () => `${verb} rule ${place(rule)}${comment ? ` "${comment}"` : ""}`,
  }, [RULE, {
    NFTA_RULE_TABLE: rule.table,
    NFTA_RULE_CHAIN: rule.chain,
    NFTA_RULE_EXPRESSIONS: rule.expressions,
    NFTA_RULE_USERDATA: comment === undefined ? undefined : encodeComment(comment),
  }]);
}

/** `delete rule … handle N`; without a handle `flush chain …`: all its rules. */
export function deleteRule(chain: ChainName, handle?: bigint): Request {
  const what = handle === undefined ? "flush chain" : "delete rule";
  return request({
    message: "DELRULE",
    family: chain.family,
    describe: () => `${what} ${place(chain)}${handle === undefined ? "" : ` handle ${handle}`}`,
  }, [RULE, {
    NFTA_RULE_TABLE: chain.table,
    NFTA_RULE_CHAIN: chain.chain,
    NFTA_RULE_HANDLE: handle,
  }]);
}

/** Asks for the rules of a chain, in order. */
export function listRules(chain: ChainName): Request {
  return request({
    message: "GETRULE",
    family: chain.family,
    describe: () => `list rules ${place(chain)}`,
  }, [RULE, { NFTA_RULE_TABLE: chain.table, NFTA_RULE_CHAIN: chain.chain }]);
}

export function readRule(message: Message): ObservedRule {
  const attributes = readAttributesOf(message, RULE);
  const { NFTA_RULE_HANDLE: handle, NFTA_RULE_EXPRESSIONS: expressions = [] } = attributes;
  if (handle === undefined) throw new MalformedError("a rule without handle");
  const userdata = attributes.NFTA_RULE_USERDATA;
  const comment = userdata && decodeComment(userdata);
  return { handle, expressions, comment: comment ?? matchedComment(expressions) };
}

function matchedComment(expressions: readonly Expression[]): string | undefined {
  for (const expression of expressions) {
    const comment = expression.kind === "match" ? matchComment(expression) : undefined;
    if (comment !== undefined) return comment;
  }
  return undefined;
}

function place({ family, table, chain }: ChainName): string {
  return `${family} ${table} ${chain}`;
}
