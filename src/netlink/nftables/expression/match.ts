/** A match of iptables inside a rule (nf_tables_compat.h); only its comments are understood. */

import { type Kind, nested, table } from "../../attribute.ts";
import { be32, bytes, string } from "../../codec.ts";

/** enum nft_match_attributes */
const MATCH = table({
  NFTA_MATCH_NAME: [1, string],
  NFTA_MATCH_REV: [2, be32],
  NFTA_MATCH_INFO: [3, bytes],
});

export const matchData = nested(MATCH);

/** The text of `-m comment --comment TEXT` (struct xt_comment_info: 256 bytes, ended by NUL). */
export function matchComment({ data }: Kind<"match", typeof matchData>): string | undefined {
  if (data?.NFTA_MATCH_NAME !== "comment") return undefined;
  const info = data.NFTA_MATCH_INFO ?? new Uint8Array();
  const nul = info.indexOf(0);
  return new TextDecoder().decode(nul < 0 ? info : info.subarray(0, nul));
}
