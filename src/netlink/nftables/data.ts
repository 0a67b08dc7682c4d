/** A value or a verdict in an expression or a set element (enum nft_data_attributes). */

import { nested, table } from "../attribute.ts";
import { be32, bytes, string } from "../codec.ts";

/** enum nft_verdict_attributes */
const VERDICT = table({
  NFTA_VERDICT_CODE: [1, be32],
  NFTA_VERDICT_CHAIN: [2, string],
});

export const DATA = table({
  NFTA_DATA_VALUE: [1, bytes],
  NFTA_DATA_VERDICT: [2, nested(VERDICT)],
});

/** enum nft_registers: the one that verdicts go into, and the one our rules work in (16 bytes). */
export const NFT_REG_VERDICT = 0;
export const NFT_REG_1 = 1;
