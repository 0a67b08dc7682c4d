/**
 * Rules in the host's own chains, at most one in each. What our own tables let pass, a drop in the
 * host's `filter` table would still drop; so where that table has the chain, one rule accepts it.
 */

import type { Firewall } from "../../net/firewall.ts";
import { verdict } from "../../netlink/nftables/expression/immediate.ts";
import { hasMark } from "./mark.ts";
import { isIPIP, type RuleBody } from "./rendering.ts";

/** As iptables names them. */
export const HOST_TABLE = "filter";
export const HOST_CHAINS = ["INPUT", "FORWARD"] as const;
export type HostChain = typeof HOST_CHAINS[number];

/** By these comments we know our own rules in there. */
const COMMENTS: Readonly<Record<HostChain, string>> = {
  INPUT: "Kilo: accept IPIP traffic that table kilo let pass",
  FORWARD: "Kilo: accept packets that table kilo marked",
};

export type HostRules = Readonly<Partial<Record<HostChain, RuleBody>>>;

export function renderHostRules({ ipip, forward }: Firewall): HostRules {
  return {
    // Our input chain runs first and has dropped the IPIP of everybody else.
    ...ipip &&
      { INPUT: { comment: COMMENTS.INPUT, expressions: [...isIPIP(), verdict("accept")] } },
    ...forward &&
      { FORWARD: { comment: COMMENTS.FORWARD, expressions: [...hasMark(), verdict("accept")] } },
  };
}

/** Is a rule with this comment one of ours, whichever the chain? */
export function isHostRule(comment: string | undefined): boolean {
  return Object.values<string | undefined>(COMMENTS).includes(comment);
}
