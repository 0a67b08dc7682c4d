/** Chains: lists of rules; base chains hang on a netfilter hook. */

import { nested, table as layout } from "../attribute.ts";
import { be32, type Codec, string } from "../codec.ts";
import { MalformedError } from "../error.ts";
import { type Message, NLM_F_CREATE, type Request } from "../message.ts";
import type { TableFamily } from "./family.ts";
import { readAttributesOf, request } from "./message.ts";

/** enum nf_inet_hooks of netfilter.h */
export const NF_INET_LOCAL_IN = 1;
export const NF_INET_FORWARD = 2;
export const NF_INET_POST_ROUTING = 4;

export interface Hook {
  /** `filter`, `nat` or `route`. */
  readonly type: string;
  /** NF_INET_* */
  readonly number: number;
  /** Lower ones run first; iptables' `filter` has 0, its source NAT 100. */
  readonly priority: number;
}

export interface Chain {
  readonly family: TableFamily;
  readonly table: string;
  readonly name: string;
  /** Of base chains, which accept what no rule decides. */
  readonly hook?: Hook;
}

/** A chain as the kernel has it. */
export interface ObservedChain {
  readonly table: string;
  readonly name: string;
  readonly hook: Hook | undefined;
  /** NF_ACCEPT or NF_DROP, of base chains. */
  readonly policy: number | undefined;
}

/** Signed and in network order, as no other number is. */
const priority: Codec<number> = {
  read: (view, start, end) => be32.read(view, start, end) | 0,
  write: (out, value) => be32.write(out, value >>> 0),
};

/** enum nft_hook_attributes */
const HOOK = layout({
  NFTA_HOOK_HOOKNUM: [1, be32],
  NFTA_HOOK_PRIORITY: [2, priority],
});

/** enum nft_chain_attributes */
export const CHAIN = layout({
  NFTA_CHAIN_TABLE: [1, string],
  NFTA_CHAIN_NAME: [3, string],
  NFTA_CHAIN_HOOK: [4, nested(HOOK)],
  NFTA_CHAIN_POLICY: [5, be32],
  NFTA_CHAIN_TYPE: [7, string],
});

export const NF_ACCEPT = 1;

/** `add chain …`, or `delete` of one that is empty. */
export function changeChain(verb: "add" | "delete", chain: Chain): Request {
  const { family, table, name, hook } = chain;
  return request({
    message: verb === "add" ? "NEWCHAIN" : "DELCHAIN",
    family,
    flags: verb === "add" ? NLM_F_CREATE : 0,
    describe: () => `${verb} chain ${family} ${table} ${name}`,
  }, [CHAIN, {
    NFTA_CHAIN_TABLE: table,
    NFTA_CHAIN_NAME: name,
    ...verb === "add" && hook && {
      NFTA_CHAIN_TYPE: hook.type,
      NFTA_CHAIN_POLICY: NF_ACCEPT,
      NFTA_CHAIN_HOOK: { NFTA_HOOK_HOOKNUM: hook.number, NFTA_HOOK_PRIORITY: hook.priority },
    },
  }]);
}

/** Asks for the chains of all tables of a family. */
export function listChains(family: TableFamily): Request {
  return request({ message: "GETCHAIN", family, describe: () => `list chains ${family}` }, [
    CHAIN,
    {},
  ]);
}

export function readChain(message: Message): ObservedChain {
  const attributes = readAttributesOf(message, CHAIN);
  const { NFTA_CHAIN_TABLE: table, NFTA_CHAIN_NAME: name, NFTA_CHAIN_HOOK: at } = attributes;
  if (table === undefined || name === undefined) throw new MalformedError("a chain without name");
  const hook = at && {
    type: attributes.NFTA_CHAIN_TYPE ?? "",
    number: at.NFTA_HOOK_HOOKNUM ?? 0,
    priority: at.NFTA_HOOK_PRIORITY ?? 0,
  };
  return { table, name, hook, policy: attributes.NFTA_CHAIN_POLICY };
}
