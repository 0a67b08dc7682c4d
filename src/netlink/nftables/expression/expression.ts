/**
 * What rules are made of. Each kind has a file of its own with its attributes and with functions that
 * make it; kinds without one keep their bytes when read.
 */

import { kinded } from "../../attribute.ts";
import type { ValueOf } from "../../codec.ts";
import { bitwiseData } from "./bitwise.ts";
import { cmpData } from "./cmp.ts";
import { immediateData } from "./immediate.ts";
import { lookupData } from "./lookup.ts";
import { masqData } from "./masq.ts";
import { matchData } from "./match.ts";
import { metaData } from "./meta.ts";
import { payloadData } from "./payload.ts";

/** enum nft_expr_attributes and the data of each kind */
export const expression = kinded(
  { name: ["NFTA_EXPR_NAME", 1], data: ["NFTA_EXPR_DATA", 2] },
  {
    bitwise: bitwiseData,
    cmp: cmpData,
    immediate: immediateData,
    lookup: lookupData,
    masq: masqData,
    match: matchData,
    meta: metaData,
    payload: payloadData,
  },
);

export type Expression = ValueOf<typeof expression>;
