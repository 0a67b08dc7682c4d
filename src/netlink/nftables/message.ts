/** What all nf_tables messages have in common: linux/netfilter/nf_tables.h. */

import type { Attributes, Table as Layout } from "../attribute.ts";
import { type Message, readBody, type Request, writeBody } from "../message.ts";
import { nfgenmsg, NFNL_SUBSYS_NFTABLES } from "../nfnetlink.ts";
import { FAMILIES, type TableFamily } from "./family.ts";

/** enum nf_tables_msg_types */
export const NFT_MSG = {
  NEWTABLE: 0,
  GETTABLE: 1,
  DELTABLE: 2,
  NEWCHAIN: 3,
  GETCHAIN: 4,
  DELCHAIN: 5,
  NEWRULE: 6,
  GETRULE: 7,
  DELRULE: 8,
  NEWSET: 9,
  GETSET: 10,
  NEWSETELEM: 12,
  GETSETELEM: 13,
  DELSETELEM: 14,
  NEWGEN: 15,
  GETGEN: 16,
} as const;

/** What a message is about, besides its attributes. */
export interface Envelope {
  readonly message: keyof typeof NFT_MSG;
  /** Absent: all families. */
  readonly family?: TableFamily;
  readonly flags?: number;
  /** What is tried on what, for errors. */
  readonly describe: () => string;
}

/** A message of this subsystem. */
export function request<T extends Layout>(
  envelope: Envelope,
  attributes: readonly [layout: T, values: Attributes<T>],
): Request {
  const { message, family, flags = 0, describe } = envelope;
  const header = { nfgen_family: family ? FAMILIES[family] : 0 };
  return {
    kind: "nftables",
    describe,
    type: NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG[message],
    flags,
    write: (out) => writeBody(out, [nfgenmsg, header], attributes),
  };
}

/** The attributes of a message from the kernel. */
export function readAttributesOf<T extends Layout>(message: Message, layout: T): Attributes<T> {
  return readBody(message, { header: nfgenmsg, attributes: layout }).attributes;
}
