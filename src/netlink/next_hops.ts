/** Routes with all their next hops: `RTA_MULTIPATH`, include/uapi/linux/rtnetlink.h. */

import { readAttributes } from "./attribute.ts";
import { struct, u16, u32, u8 } from "./codec.ts";
import { MalformedError } from "./error.ts";
import { type Message, readBody } from "./message.ts";
import {
  readRoutes,
  type RouteEntry,
  type RouteFilter,
  RTA,
  RTMSG,
  RTN_UNICAST,
  RTNH_F_ONLINK,
} from "./route.ts";

/**
 * The routes in an answer that are asked for and lead somewhere; one with several next hops once for
 * each of them.
 */
export function readWays(messages: readonly Message[], filter: RouteFilter): RouteEntry[] {
  return messages.flatMap((message) => {
    const [route] = readRoutes([message], filter);
    if (!route || route.type !== RTN_UNICAST) return [];
    const { attributes } = readBody(message, { header: RTMSG, attributes: RTA });
    const hops = attributes.RTA_MULTIPATH && readNextHops(attributes.RTA_MULTIPATH);
    return hops ? hops.map((hop) => ({ ...route, ...hop, multipath: false })) : route;
  });
}

/** struct rtnexthop, and the attributes of a route behind it. */
const RTNEXTHOP = struct({ rtnh_len: u16, rtnh_flags: u8, rtnh_hops: u8, rtnh_ifindex: u32 });

type NextHop = Pick<RouteEntry, "gateway" | "oif" | "onlink">;

function readNextHops(bytes: Uint8Array): NextHop[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const hops: NextHop[] = [];
  for (let at = 0; at + RTNEXTHOP.size <= bytes.length;) {
    const start = at + RTNEXTHOP.size;
    const { rtnh_len, rtnh_flags, rtnh_ifindex } = RTNEXTHOP.read(view, at, start);
    const end = at + rtnh_len;
    if (end < start || end > bytes.length) throw new MalformedError("a next hop of a wrong length");
    const { RTA_GATEWAY, RTA_VIA } = readAttributes(RTA, view, { start, end });
    hops.push({
      gateway: RTA_GATEWAY ?? RTA_VIA,
      oif: rtnh_ifindex,
      onlink: (rtnh_flags & RTNH_F_ONLINK) !== 0,
    });
    at = end + 3 & ~3;
  }
  return hops;
}
