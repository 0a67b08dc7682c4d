/** What all netfilter messages begin with: include/uapi/linux/netfilter/nfnetlink.h. */

import { be16, struct, u8 } from "./codec.ts";

/** struct nfgenmsg; the resource id is the subsystem around a batch, else 0. */
export const nfgenmsg = struct({ nfgen_family: u8, version: u8, res_id: be16 });

/** The upper byte of a message's type. */
export const NFNL_SUBSYS_CTNETLINK = 1;
export const NFNL_SUBSYS_NFTABLES = 10;
