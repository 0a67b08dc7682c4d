/** Goes on with the rule only if a register is, or is not, in a set. */

import { type Kind, nested, table } from "../../attribute.ts";
import { be32, string } from "../../codec.ts";
import { NFT_REG_1 } from "../data.ts";

/** enum nft_lookup_attributes, without those of maps */
const LOOKUP = table({
  NFTA_LOOKUP_SET: [1, string],
  NFTA_LOOKUP_SREG: [2, be32],
  NFTA_LOOKUP_DREG: [3, be32],
  NFTA_LOOKUP_FLAGS: [5, be32],
});

export const lookupData = nested(LOOKUP);

const NFT_LOOKUP_F_INV = 1; // enum nft_lookup_flags

/** `[ lookup reg 1 set NAME ]` */
export function inSet(set: string): Kind<"lookup", typeof lookupData> {
  return { kind: "lookup", data: { NFTA_LOOKUP_SREG: NFT_REG_1, NFTA_LOOKUP_SET: set } };
}

/** `[ lookup reg 1 set NAME 0x1 ]` */
export function notInSet(set: string): Kind<"lookup", typeof lookupData> {
  const data = { NFTA_LOOKUP_SREG: NFT_REG_1, NFTA_LOOKUP_SET: set };
  return { kind: "lookup", data: { ...data, NFTA_LOOKUP_FLAGS: NFT_LOOKUP_F_INV } };
}
