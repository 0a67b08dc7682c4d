/** Routes: rtnetlink's `RTM_*ROUTE`, include/uapi/linux/rtnetlink.h. */

import { type Family, type IP, width } from "../net/ip.ts";
import { formatPrefix, network, type Prefix } from "../net/prefix.ts";
import { table } from "./attribute.ts";
import { bytes, type Codec, ip, LITTLE_ENDIAN, struct, u16, u32, u8 } from "./codec.ts";
import type { Connection } from "./connection.ts";
import { MalformedError } from "./error.ts";
import {
  type Message,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  readBody,
  type Request,
  writeBody,
} from "./message.ts";
import {
  fromFamily,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_MAIN,
  splitTable,
  toFamily,
} from "./rtnetlink.ts";

export const RTM_NEWROUTE = 24;
export const RTM_DELROUTE = 25;
export const RTM_GETROUTE = 26;

/** `rtm_protocol`: who set a route. include/uapi/linux/rtnetlink.h */
export const RTPROT_BOOT = 3;
export const RTPROT_STATIC = 4;
export const RTPROT_RA = 9;
export const RTPROT_DHCP = 16;

export const RTN_UNICAST = 1;
/** `rtm_type` of what the kernel itself derives from addresses. */
const RTN_LOCAL = 2;
const RTN_MULTICAST = 5;
/** A cached exception, not a route. */
const RTM_F_CLONED = 0x200;
export const RTNH_F_ONLINK = 4;
/** `IP6_RT_PRIO_USER`: what IPv6 makes of metric 0. */
const DEFAULT_METRIC_V6 = 1024;

/** struct rtmsg */
export const RTMSG = struct({
  rtm_family: u8,
  rtm_dst_len: u8,
  rtm_src_len: u8,
  rtm_tos: u8,
  rtm_table: u8,
  rtm_protocol: u8,
  rtm_scope: u8,
  rtm_type: u8,
  rtm_flags: u32,
});

/** struct rtvia: u16 family, then the address. Families other than IP's are undefined. */
const via: Codec<IP | undefined> = {
  read(view, start, end) {
    if (end - start < u16.size) throw new MalformedError(`struct rtvia of ${end - start} bytes`);
    const family = toFamily(u16.read(view, start, start + u16.size));
    return family && ip.read(view, start + u16.size, end);
  },
  write(out, address) {
    if (!address) return;
    u16.write(out, fromFamily(address.family));
    ip.write(out, address);
  },
};

export const RTA = table({
  RTA_DST: [1, ip],
  RTA_OIF: [4, u32],
  RTA_GATEWAY: [5, ip],
  RTA_PRIORITY: [6, u32],
  RTA_PREFSRC: [7, ip],
  RTA_MULTIPATH: [9, bytes],
  RTA_TABLE: [15, u32],
  RTA_VIA: [18, via],
  RTA_NH_ID: [30, u32],
});

/** A route as the kernel reports it. {@link routeEntry} makes one from {@link RouteFields}. */
export interface RouteEntry {
  /** Without host bits. With `table`, `tos` and `metric` it identifies the route, the rest is its value. */
  readonly dst: Prefix;
  readonly table: number;
  readonly tos: number;
  /** `RTA_PRIORITY`: the lowest wins. */
  readonly metric: number;
  /** Who set it (`rtm_protocol`). */
  readonly protocol: number;
  readonly scope: number;
  /** `RTN_UNICAST`, or unreachable and the like. */
  readonly type: number;
  /** May be of the other family. */
  readonly gateway: IP | undefined;
  /** Index of the device packets leave by. */
  readonly oif: number | undefined;
  /** Preferred source address. */
  readonly source: IP | undefined;
  /** The gateway needs no route of its own. */
  readonly onlink: boolean;
  /** Has several next hops (or a next-hop object), which are not told here. */
  readonly multipath: boolean;
}

/** What must be given; everything else has a default. */
export type RouteFields = Pick<RouteEntry, "dst"> & Partial<RouteEntry>;

/**
 * The route as the kernel will report it once it is set: default table main, unicast, metric 1024
 * for IPv6, host bits cleared.
 */
export function routeEntry(fields: RouteFields): RouteEntry {
  const { dst, gateway, oif, source } = fields;
  const { family } = dst.ip;
  const type = fields.type ?? RTN_UNICAST;
  const direct = type === RTN_UNICAST && !gateway;
  return {
    dst: network(dst),
    table: fields.table ?? RT_TABLE_MAIN,
    // IPv6 has neither of the two.
    tos: family === 4 ? fields.tos ?? 0 : 0,
    scope: family === 4
      ? fields.scope ?? (direct ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE)
      : RT_SCOPE_UNIVERSE,
    metric: fields.metric || (family === 4 ? 0 : DEFAULT_METRIC_V6),
    protocol: fields.protocol ?? 0,
    type,
    gateway,
    oif,
    source,
    onlink: fields.onlink ?? false,
    multipath: fields.multipath ?? false,
  };
}

/** A request to add a route; `EEXIST` if there is one of the same identity. */
export function addRoute(route: RouteEntry): Request {
  return writeRoute(route, { verb: "add", type: RTM_NEWROUTE, flags: NLM_F_CREATE | NLM_F_EXCL });
}

/** A request to add a route before those of the same identity, which stay (IPv4). */
export function prependRoute(route: RouteEntry): Request {
  return writeRoute(route, { verb: "add", type: RTM_NEWROUTE, flags: NLM_F_CREATE });
}

/** A request to add a route or to replace the one of the same identity, without a gap. */
export function replaceRoute(route: RouteEntry): Request {
  const flags = NLM_F_CREATE | NLM_F_REPLACE;
  return writeRoute(route, { verb: "replace", type: RTM_NEWROUTE, flags });
}

/** A request to remove exactly this route; `ESRCH` if there is none. */
export function deleteRoute(route: RouteEntry): Request {
  return writeRoute(route, { verb: "delete", type: RTM_DELROUTE, flags: 0 });
}

function writeRoute(
  route: RouteEntry,
  how: { readonly verb: string; readonly type: number; readonly flags: number },
): Request {
  const { dst, gateway, metric } = route;
  const { family } = dst.ip;
  const { header, attribute } = splitTable(route.table);
  const sameFamily = gateway?.family === family;
  return {
    kind: "route",
    describe: () => `${how.verb} route ${formatPrefix(dst)} table ${route.table}`,
    type: how.type,
    flags: how.flags,
    write: (out) =>
      writeBody(out, [RTMSG, {
        rtm_family: fromFamily(family),
        rtm_dst_len: dst.bits,
        rtm_tos: route.tos,
        rtm_table: header,
        rtm_protocol: route.protocol,
        rtm_scope: route.scope,
        rtm_type: route.type,
        rtm_flags: route.onlink ? RTNH_F_ONLINK : 0,
      }], [RTA, {
        RTA_DST: dst.bits > 0 ? dst.ip : undefined,
        RTA_GATEWAY: sameFamily ? gateway : undefined,
        RTA_VIA: sameFamily ? undefined : gateway,
        RTA_TABLE: attribute,
        RTA_PREFSRC: route.source,
        RTA_PRIORITY: metric || undefined,
        RTA_OIF: route.oif,
      }]),
  };
}

/**
 * Reads `RTM_NEWROUTE` and `RTM_DELROUTE`; undefined for other families, cached exceptions, what
 * the kernel derives from addresses (local, broadcast, multicast), and IPv4 in IPv6 form.
 */
export function parseRoute(message: Message): RouteEntry | undefined {
  const { header, attributes } = readBody(message, { header: RTMSG, attributes: RTA });
  const family = toFamily(header.rtm_family);
  if (!family || header.rtm_flags & RTM_F_CLONED) return undefined;
  if (header.rtm_type >= RTN_LOCAL && header.rtm_type <= RTN_MULTICAST) return undefined;
  const ip = attributes.RTA_DST ?? { family, value: 0n };
  if (ip.family !== family) return undefined;
  if (header.rtm_dst_len > width(family)) {
    throw new MalformedError(`a route with a prefix length of ${header.rtm_dst_len}`);
  }
  return {
    dst: { ip, bits: header.rtm_dst_len },
    table: attributes.RTA_TABLE ?? header.rtm_table,
    tos: header.rtm_tos,
    scope: header.rtm_scope,
    metric: attributes.RTA_PRIORITY ?? 0,
    protocol: header.rtm_protocol,
    type: header.rtm_type,
    gateway: attributes.RTA_GATEWAY ?? attributes.RTA_VIA,
    oif: attributes.RTA_OIF,
    source: attributes.RTA_PREFSRC,
    onlink: (header.rtm_flags & RTNH_F_ONLINK) !== 0,
    multipath: attributes.RTA_MULTIPATH !== undefined || attributes.RTA_NH_ID !== undefined,
  };
}

/** Which routes: those of one address family, of one table or one protocol if asked for. */
export interface RouteFilter {
  readonly family: Family;
  readonly table?: number;
  readonly protocol?: number;
  /** Index of the device. */
  readonly oif?: number;
  /** Prefix length, which the kernel does not filter by; what has another one is not even decoded. */
  readonly bits?: number;
  /** Only such; as with `bits`. */
  readonly onlink?: boolean;
}

/** The routes that the kernel has; throws a NetlinkError if it refuses to tell. */
export function listRoutes(connection: Connection, filter: RouteFilter): RouteEntry[] {
  return readRoutes(dumpRoutes(connection, filter), filter);
}

/** Its answer to that, for {@link readRoutes}: there may be more in it than was asked for. */
export function dumpRoutes(connection: Connection, filter: RouteFilter): Message[] {
  const { family, table, protocol, oif, bits, onlink = false } = filter;
  const { header, attribute } = splitTable(table ?? 0);
  const request: Request = {
    kind: "route",
    describe: () => `read IPv${family} routes`,
    type: RTM_GETROUTE,
    flags: 0,
    write: (out) =>
      writeBody(out, [RTMSG, {
        rtm_family: fromFamily(family),
        rtm_table: header,
        rtm_protocol: protocol ?? 0,
      }], [RTA, { RTA_OIF: oif, RTA_TABLE: attribute }]),
  };
  // A kernel before 4.20 filters nothing: what it tells of others' routes is dropped as it is read.
  return connection.dump(request, {
    keep: (message) =>
      (bits ?? destinationBits(message)) === destinationBits(message) &&
      (protocol ?? protocolOf(message)) === protocolOf(message) &&
      (!onlink || isOnlink(message)),
  });
}

/** The routes in an answer that are asked for. */
export function readRoutes(messages: readonly Message[], filter: RouteFilter): RouteEntry[] {
  const { family, table, protocol, oif } = filter;
  // A kernel without IPv6 answers with other families', one before 4.20 or 5.0 does not filter.
  return messages.flatMap((message) => {
    const route = parseRoute(message);
    const wanted = route?.dst.ip.family === family && (table ?? route.table) === route.table &&
      (protocol ?? route.protocol) === route.protocol && (oif ?? route.oif) === route.oif;
    return wanted ? route : [];
  });
}

/** `RTNH_F_ONLINK` in `rtm_flags`, the third word. */
function isOnlink({ payload }: Message): boolean {
  return payload.byteLength >= RTMSG.size &&
    (payload.getUint32(8, LITTLE_ENDIAN) & RTNH_F_ONLINK) !== 0;
}

/** `rtm_protocol`, the sixth byte; undefined if there is none. */
function protocolOf({ payload }: Message): number | undefined {
  return payload.byteLength > 5 ? payload.getUint8(5) : undefined;
}

/** `rtm_dst_len`, the second byte; undefined if there is none. */
function destinationBits({ payload }: Message): number | undefined {
  return payload.byteLength > 1 ? payload.getUint8(1) : undefined;
}
