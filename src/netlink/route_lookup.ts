/** The route that the kernel takes to an address, without reading whole tables. */

import { formatIP, type IP, width } from "../net/ip.ts";
import { EACCES, EHOSTUNREACH, EINVAL, ENETUNREACH } from "../os/errno.ts";
import type { Connection } from "./connection.ts";
import { NetlinkError } from "./error.ts";
import { type Message, readBody, type Request, writeBody } from "./message.ts";
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
  return ask(connection, lookUpRequest(to));
}

/** How packets leave for one address. */
export interface Way {
  /** Index of the device they leave by. */
  readonly oif: number | undefined;
  /** The address they are sent from, unless their sender says otherwise. */
  readonly source: IP | undefined;
}

/** `ip route get ADDRESS`; undefined if there is no way. */
export function lookUpWay(connection: Connection, to: IP): Way | undefined {
  const answer = ask(connection, lookUpRequest(to, 0));
  if (typeof answer === "number") return undefined;
  const { attributes } = readBody(answer, { header: RTMSG, attributes: RTA });
  return { oif: attributes.RTA_OIF, source: attributes.RTA_PREFSRC };
}

function ask(connection: Connection, request: Request): Message | number {
  try {
    return connection.get(request);
  } catch (error) {
    if (error instanceof NetlinkError && NO_WAY.includes(error.errno)) return error.errno;
    throw error;
  }
}

/** `ip route get fibmatch ADDRESS`, or without `fibmatch`: with other flags. */
export function lookUpRequest(to: IP, flags = RTM_F_FIB_MATCH): Request {
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
        rtm_flags: flags | (family === 4 ? RTM_F_LOOKUP_TABLE : 0),
      }], [RTA, { RTA_DST: to }]),
  };
}
