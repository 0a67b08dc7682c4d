/** Masks a register. */

import { type Kind, nested, table } from "../../attribute.ts";
import { be32 } from "../../codec.ts";
import { DATA, NFT_REG_1 } from "../data.ts";

/** enum nft_bitwise_attributes. The operation came with Linux 5.6; its default is mask and xor. */
const BITWISE = table({
  NFTA_BITWISE_SREG: [1, be32],
  NFTA_BITWISE_DREG: [2, be32],
  NFTA_BITWISE_LEN: [3, be32],
  NFTA_BITWISE_MASK: [4, nested(DATA)],
  NFTA_BITWISE_XOR: [5, nested(DATA)],
  NFTA_BITWISE_OP: [6, be32],
});

export const bitwiseData = nested(BITWISE);

const NFT_BITWISE_MASK_XOR = 0; // enum nft_bitwise_ops

/** `[ bitwise reg 1 = ( reg 1 & MASK ) ^ XOR ]`; both of the same length. */
export function maskAndXor(mask: Uint8Array, xor: Uint8Array): Kind<"bitwise", typeof bitwiseData> {
  return {
    kind: "bitwise",
    data: {
      NFTA_BITWISE_SREG: NFT_REG_1,
      NFTA_BITWISE_DREG: NFT_REG_1,
      NFTA_BITWISE_OP: NFT_BITWISE_MASK_XOR,
      NFTA_BITWISE_LEN: mask.length,
      NFTA_BITWISE_MASK: { NFTA_DATA_VALUE: mask },
      NFTA_BITWISE_XOR: { NFTA_DATA_VALUE: xor },
    },
  };
}
