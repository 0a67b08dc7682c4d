/** The route that the kernel takes to an address, without reading whole tables. */

import { formatIP, type IP, width } from "../net/ip.ts";
import { EACCES, EHOSTUNREACH, EINVAL, ENETUNREACH } from "../os/errno.ts";
import type { Connection } from "./connection.ts";
import { NetlinkError } from "./error.ts";
import { type Message, type Request, writeBody } from "./message.ts";
import { RTA, RTM_GETROUTE, RTMSG } from "./route.ts";
import { fromFamily } from "./rtnetlink.ts";

/** Tell the table in which the route was found (IPv4; IPv6 always does). */
const RTM_F_LOOKUP_TABLE = 0x1000;
/** Tell the route itself, and not a host route derived from it. Since Linux 4.13. */
const RTM_F_FIB_MATCH = 0x2000;

/** What the kernel says where there is no route, or an unreachable, prohibit or blackhole one. */
const NO_WAY: readonly number[] = [ENETUNREACH, EHOSTUNREACH, EACCES, EINVAL];

/**
 * `ip route get fibmatch ADDRESS`: the kernel's answer for `parseRoute`, or the errno that tells why
 * there is no way. Policy rules count, as for a packet from this host. Throws other NetlinkErrors.
 */
export function lookUpRoute(connection: Connection, to: IP): Message | number {
  try {
    return connection.get(lookUpRequest(to));
  } catch (error) {
    if (error instanceof NetlinkError && NO_WAY.includes(error.errno)) return error.errno;
    throw error;
  }
}

/** `ip route get fibmatch ADDRESS` */
export function lookUpRequest(to: IP): Request {
  const { family } = to;
  return {
    kind: "route",
    describe: () => `look up the route to ${formatIP(to)}`,
    type: RTM_GETROUTE,
    flags: 0,
    write: (out) =>
      writeBody(out, [RTMSG, {
        rtm_family: fromFamily(family),
        rtm_dst_len: width(family),
        rtm_flags: RTM_F_FIB_MATCH | (family === 4 ? RTM_F_LOOKUP_TABLE : 0),
      }], [RTA, { RTA_DST: to }]),
  };
}
