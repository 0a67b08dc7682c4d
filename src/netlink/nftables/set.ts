/** Named sets of address intervals, one kind of the many that nf_tables has. */

import { table as layout } from "../attribute.ts";
import { be32, bytes, LITTLE_ENDIAN, string } from "../codec.ts";
import { MalformedError } from "../error.ts";
import { type Message, NLM_F_CREATE, type Request } from "../message.ts";
import type { TableFamily } from "./family.ts";
import { readAttributesOf, request } from "./message.ts";

export interface AddressSet {
  readonly family: TableFamily;
  readonly table: string;
  readonly name: string;
  readonly type: AddressType;
}

/** What a key is, with nft's numbers and names of data types. */
export const ADDRESS_TYPES = {
  ipv4_addr: { number: 7, bytes: 4 },
  ipv6_addr: { number: 8, bytes: 16 },
} as const;

export type AddressType = keyof typeof ADDRESS_TYPES;

export interface ObservedSet {
  readonly name: string;
  /** Undefined: not a set of address intervals, or one that is more than that. */
  readonly type: AddressType | undefined;
}

/** enum nft_set_attributes */
export const SET = layout({
  NFTA_SET_TABLE: [1, string],
  NFTA_SET_NAME: [2, string],
  NFTA_SET_FLAGS: [3, be32],
  NFTA_SET_KEY_TYPE: [4, be32],
  NFTA_SET_KEY_LEN: [5, be32],
  NFTA_SET_ID: [10, be32],
  NFTA_SET_USERDATA: [13, bytes],
});

const NFT_SET_INTERVAL = 0x4; // enum nft_set_flags

/** NFTNL_UDATA_SET_KEYBYTEORDER, 4 bytes, 2 (big-endian): from this nft knows how to print keys. */
const KEY_BYTE_ORDER = Uint8Array.of(0, 4, ...(LITTLE_ENDIAN ? [2, 0, 0, 0] : [0, 0, 0, 2]));

/** `add set FAMILY TABLE NAME { type TYPE; flags interval; }` */
export function addSet({ family, table, name, type }: AddressSet): Request {
  return request({
    message: "NEWSET",
    family,
    flags: NLM_F_CREATE,
    describe: () => `add set ${family} ${table} ${name}`,
  }, [SET, {
    NFTA_SET_TABLE: table,
    NFTA_SET_NAME: name,
    NFTA_SET_FLAGS: NFT_SET_INTERVAL,
    NFTA_SET_KEY_TYPE: ADDRESS_TYPES[type].number,
    NFTA_SET_KEY_LEN: ADDRESS_TYPES[type].bytes,
    // Demanded by the kernel; it serves rules that name no set, and ours do.
    NFTA_SET_ID: 1,
    NFTA_SET_USERDATA: KEY_BYTE_ORDER,
  }]);
}

/** Asks for the sets and maps of a table. */
export function listSets(table: { readonly family: TableFamily; readonly name: string }): Request {
  return request({
    message: "GETSET",
    family: table.family,
    describe: () => `list sets ${table.family} ${table.name}`,
  }, [SET, { NFTA_SET_TABLE: table.name }]);
}

export function readSet(message: Message): ObservedSet {
  const attributes = readAttributesOf(message, SET);
  const { NFTA_SET_NAME: name, NFTA_SET_KEY_TYPE: key } = attributes;
  if (name === undefined) throw new MalformedError("a set without name");
  const type = key === 7 ? "ipv4_addr" : key === 8 ? "ipv6_addr" : undefined;
  return { name, type: attributes.NFTA_SET_FLAGS === NFT_SET_INTERVAL ? type : undefined };
}
