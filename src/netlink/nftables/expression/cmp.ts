/** Goes on with the rule only if a register compares as asked. */

import { type Kind, nested, table } from "../../attribute.ts";
import { be32 } from "../../codec.ts";
import { DATA, NFT_REG_1 } from "../data.ts";

/** enum nft_cmp_attributes */
const CMP = table({
  NFTA_CMP_SREG: [1, be32],
  NFTA_CMP_OP: [2, be32],
  NFTA_CMP_DATA: [3, nested(DATA)],
});

export const cmpData = nested(CMP);

const NFT_CMP_EQ = 0; // enum nft_cmp_ops

/** `[ cmp eq reg 1 VALUE ]` */
export function equal(value: Uint8Array): Kind<"cmp", typeof cmpData> {
  return {
    kind: "cmp",
    data: {
      NFTA_CMP_SREG: NFT_REG_1,
      NFTA_CMP_OP: NFT_CMP_EQ,
      NFTA_CMP_DATA: { NFTA_DATA_VALUE: value },
    },
  };
}
