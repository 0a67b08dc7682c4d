/** A verdict, or a constant into a register. */

import { type Kind, nested, table } from "../../attribute.ts";
import { be32 } from "../../codec.ts";
import { DATA, NFT_REG_VERDICT } from "../data.ts";

/** enum nft_immediate_attributes */
const IMMEDIATE = table({
  NFTA_IMMEDIATE_DREG: [1, be32],
  NFTA_IMMEDIATE_DATA: [2, nested(DATA)],
});

export const immediateData = nested(IMMEDIATE);

/** enum nft_verdicts (as unsigned numbers) and NF_DROP, NF_ACCEPT of netfilter.h */
const VERDICTS = { drop: 0, accept: 1, return: 0xfffffffb } as const;

/** `[ immediate reg 0 accept ]` and the like */
export function verdict(name: keyof typeof VERDICTS): Kind<"immediate", typeof immediateData> {
  return {
    kind: "immediate",
    data: {
      NFTA_IMMEDIATE_DREG: NFT_REG_VERDICT,
      NFTA_IMMEDIATE_DATA: { NFTA_DATA_VERDICT: { NFTA_VERDICT_CODE: VERDICTS[name] } },
    },
  };
}
