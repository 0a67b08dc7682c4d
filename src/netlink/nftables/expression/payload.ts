/** Bytes of the packet into a register. */

import { type Kind, nested, table } from "../../attribute.ts";
import { be32 } from "../../codec.ts";
import { NFT_REG_1 } from "../data.ts";

/** enum nft_payload_attributes, those of loading */
const PAYLOAD = table({
  NFTA_PAYLOAD_DREG: [1, be32],
  NFTA_PAYLOAD_BASE: [2, be32],
  NFTA_PAYLOAD_OFFSET: [3, be32],
  NFTA_PAYLOAD_LEN: [4, be32],
  NFTA_PAYLOAD_SREG: [5, be32],
});

export const payloadData = nested(PAYLOAD);

const NFT_PAYLOAD_NETWORK_HEADER = 1; // enum nft_payload_bases

/** `[ payload load LENGTHb @ network header + OFFSET => reg 1 ]` */
export function loadNetworkHeader(
  offset: number,
  length: number,
): Kind<"payload", typeof payloadData> {
  return {
    kind: "payload",
    data: {
      NFTA_PAYLOAD_DREG: NFT_REG_1,
      NFTA_PAYLOAD_BASE: NFT_PAYLOAD_NETWORK_HEADER,
      NFTA_PAYLOAD_OFFSET: offset,
      NFTA_PAYLOAD_LEN: length,
    },
  };
}
