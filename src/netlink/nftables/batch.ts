/** The messages around a transaction: linux/netfilter/nfnetlink.h. */

import { table as layout } from "../attribute.ts";
import { be32 } from "../codec.ts";
import { type Request, writeBody } from "../message.ts";
import { nfgenmsg, NFNL_SUBSYS_NFTABLES } from "../nfnetlink.ts";

const NFNL_MSG_BATCH_BEGIN = 0x10;
const NFNL_MSG_BATCH_END = 0x11;

/** enum nfnl_batch_attributes */
export const BATCH = layout({ NFNL_BATCH_GENID: [1, be32] });

/**
 * A transaction: all of it happens or nothing. With the generation that it is based on, it is
 * refused with `ERESTART` if anybody has changed anything since.
 */
export function batch(requests: readonly Request[], generation?: number): Request[] {
  return [
    envelope(NFNL_MSG_BATCH_BEGIN, generation),
    ...requests,
    envelope(NFNL_MSG_BATCH_END, undefined),
  ];
}

function envelope(type: number, generation: number | undefined): Request {
  return {
    kind: "nftables",
    describe: () => "nf_tables transaction",
    type,
    flags: 0,
    write: (out) =>
      writeBody(out, [nfgenmsg, { res_id: NFNL_SUBSYS_NFTABLES }], [
        BATCH,
        { NFNL_BATCH_GENID: generation },
      ]),
  };
}
