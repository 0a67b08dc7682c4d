/** The address of the outgoing interface as the source of the connection. */

import { type Kind, nested, table } from "../../attribute.ts";
import { be32 } from "../../codec.ts";

/** enum nft_masq_attributes */
const MASQ = table({
  NFTA_MASQ_FLAGS: [1, be32],
  NFTA_MASQ_REG_PROTO_MIN: [2, be32],
  NFTA_MASQ_REG_PROTO_MAX: [3, be32],
});

export const masqData = nested(MASQ);

/** `[ masq ]` */
export function masquerade(): Kind<"masq", typeof masqData> {
  return { kind: "masq", data: {} };
}
