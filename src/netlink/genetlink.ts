/** Generic netlink: families are found by name. include/uapi/linux/genetlink.h */

import { table } from "./attribute.ts";
import { string, struct, u16, u8 } from "./codec.ts";
import type { Connection } from "./connection.ts";
import { MalformedError } from "./error.ts";
import { readBody, writeBody } from "./message.ts";

const GENL_ID_CTRL = 16;
const CTRL_CMD_GETFAMILY = 3;

/** struct genlmsghdr */
export const GENLMSGHDR = struct({ cmd: u8, version: u8, reserved: u16 });

export const CTRL_ATTR = table({
  CTRL_ATTR_FAMILY_ID: [1, u16],
  CTRL_ATTR_FAMILY_NAME: [2, string],
});

/**
 * The message type of a generic netlink family such as `wireguard`, which may load its module. A
 * NetlinkError that `isNotFound()` if the kernel has none.
 */
export function resolveFamily(connection: Connection, name: string): number {
  const answer = connection.get({
    kind: "genetlink",
    describe: () => `find generic netlink family ${name}`,
    type: GENL_ID_CTRL,
    flags: 0,
    write: (out) =>
      writeBody(out, [GENLMSGHDR, { cmd: CTRL_CMD_GETFAMILY, version: 1 }], [CTRL_ATTR, {
        CTRL_ATTR_FAMILY_NAME: name,
      }]),
  });
  const { attributes } = readBody(answer, { header: GENLMSGHDR, attributes: CTRL_ATTR });
  if (attributes.CTRL_ATTR_FAMILY_ID === undefined) {
    throw new MalformedError("CTRL_ATTR_FAMILY_ID is missing");
  }
  return attributes.CTRL_ATTR_FAMILY_ID;
}
