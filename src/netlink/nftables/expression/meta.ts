/** Packet metadata into a register, or from one: `meta mark`, `meta l4proto`. */

import { type Kind, nested, table } from "../../attribute.ts";
import { be32 } from "../../codec.ts";
import { NFT_REG_1 } from "../data.ts";

/** enum nft_meta_attributes */
const META = table({
  NFTA_META_DREG: [1, be32],
  NFTA_META_KEY: [2, be32],
  NFTA_META_SREG: [3, be32],
});

export const metaData = nested(META);

/** enum nft_meta_keys, those used. The mark lies in a register in the machine's byte order. */
export const NFT_META_MARK = 3;
export const NFT_META_L4PROTO = 16;

/** `[ meta load KEY => reg 1 ]` */
export function loadMeta(key: number): Kind<"meta", typeof metaData> {
  return { kind: "meta", data: { NFTA_META_KEY: key, NFTA_META_DREG: NFT_REG_1 } };
}

/** `[ meta set KEY with reg 1 ]` */
export function setMeta(key: number): Kind<"meta", typeof metaData> {
  return { kind: "meta", data: { NFTA_META_KEY: key, NFTA_META_SREG: NFT_REG_1 } };
}
