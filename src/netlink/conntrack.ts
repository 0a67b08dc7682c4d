/**
 * Tracked connections: ctnetlink, include/uapi/linux/netfilter/nfnetlink_conntrack.h and
 * nf_conntrack_common.h.
 */

import { type Family, formatIP, type IP, width } from "../net/ip.ts";
import { type Attributes, findAttribute, nested, table } from "./attribute.ts";
import { be16, be32, ip, u8 } from "./codec.ts";
import type { Connection } from "./connection.ts";
import { type Message, readBody, type Request, writeBody } from "./message.ts";
import { nfgenmsg, NFNL_SUBSYS_CTNETLINK } from "./nfnetlink.ts";
import { fromFamily, toFamily } from "./rtnetlink.ts";

/** enum cntl_msg_types */
const IPCTNL_MSG_CT_GET = 1;
const IPCTNL_MSG_CT_DELETE = 2;

/** enum ip_conntrack_status: packets have gone both ways. */
export const IPS_SEEN_REPLY = 1 << 1;
/** The source of packets in the original direction is translated. */
export const IPS_SRC_NAT = 1 << 4;

// Numbers of the rows below, for who looks for one value alone.
const CTA_TUPLE_REPLY = 2;
const CTA_TUPLE_IP = 1;
const CTA_IP_V4_SRC = 1;
const CTA_IP_V6_SRC = 3;

/** enum ctattr_ip */
export const CTA_IP = table({
  CTA_IP_V4_SRC: [1, ip],
  CTA_IP_V4_DST: [2, ip],
  CTA_IP_V6_SRC: [3, ip],
  CTA_IP_V6_DST: [4, ip],
});

/** enum ctattr_l4proto */
export const CTA_PROTO = table({
  CTA_PROTO_NUM: [1, u8],
  CTA_PROTO_SRC_PORT: [2, be16],
  CTA_PROTO_DST_PORT: [3, be16],
  CTA_PROTO_ICMP_ID: [4, be16],
  CTA_PROTO_ICMP_TYPE: [5, u8],
  CTA_PROTO_ICMP_CODE: [6, u8],
  CTA_PROTO_ICMPV6_ID: [7, be16],
  CTA_PROTO_ICMPV6_TYPE: [8, u8],
  CTA_PROTO_ICMPV6_CODE: [9, u8],
});

/** enum ctattr_tuple */
export const CTA_TUPLE = table({
  CTA_TUPLE_IP: [1, nested(CTA_IP)],
  CTA_TUPLE_PROTO: [2, nested(CTA_PROTO)],
  CTA_TUPLE_ZONE: [3, be16],
});

/** enum ctattr_type */
export const CTA = table({
  CTA_TUPLE_ORIG: [1, nested(CTA_TUPLE)],
  CTA_TUPLE_REPLY: [2, nested(CTA_TUPLE)],
  CTA_STATUS: [3, be32],
  CTA_ID: [12, be32],
  CTA_ZONE: [18, be16],
});

/** What packets in one direction look like. */
export interface Tuple {
  readonly source: IP;
  readonly destination: IP;
  /** Protocol, ports and the like. */
  readonly protocol: Attributes<typeof CTA_PROTO> | undefined;
  /** Of connections that have one in this direction only. */
  readonly zone: number | undefined;
}

export interface TrackedConnection {
  readonly family: Family;
  /** As the first packet was when it came, before any translation. */
  readonly original: Tuple;
  /** As answers are when they come: after translation both of its ends have changed places. */
  readonly reply: Tuple;
  /** `IPS_…` */
  readonly status: number;
  /** Tells it from an earlier or later one of the same tuple. */
  readonly id: number;
  readonly zone: number | undefined;
}

/** Which tracked connections are asked for. */
export interface ConnectionFilter {
  readonly family: Family;
  /** All these bits (`IPS_…`) are in their status. */
  readonly status: number;
  /** Of where answers come from, the address as a number: not asked by the kernel, but before decoding. */
  readonly answersFrom: (address: bigint) => boolean;
}

/**
 * The connections that are asked for, in pieces as they are read: a host may track hundreds of
 * thousands. The connection to netfilter is used for nothing else meanwhile.
 */
export function listConnections(
  connection: Connection,
  filter: ConnectionFilter,
): AsyncGenerator<TrackedConnection[], void> {
  const { family, status, answersFrom } = filter;
  return connection.dumpInPieces(listRequest(family, status), (message) => {
    const from = replySource(message, family);
    if (from === undefined || !answersFrom(from)) return undefined;
    const found = parseConnection(message);
    // Older kernels do not filter by status.
    return found && found.family === family && (found.status & status) === status
      ? found
      : undefined;
  });
}

/** `CTA_TUPLE_REPLY`, in it `CTA_TUPLE_IP`, in it the source: all that most connections are read for. */
function replySource({ payload }: Message, family: Family): bigint | undefined {
  const end = payload.byteLength;
  const reply = findAttribute(payload, CTA_TUPLE_REPLY, { start: nfgenmsg.size, end });
  const addresses = reply && findAttribute(payload, CTA_TUPLE_IP, reply);
  const source = addresses &&
    findAttribute(payload, family === 4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, addresses);
  if (!source || source.end - source.start !== width(family) / 8) return undefined;
  const { start } = source;
  if (family === 4) return BigInt(payload.getUint32(start));
  return payload.getBigUint64(start) << 64n | payload.getBigUint64(start + 8);
}

/** `conntrack -L -f FAMILY`, filtered. */
export function listRequest(family: Family, status: number): Request {
  return {
    kind: "conntrack",
    describe: () => `list IPv${family} connections`,
    type: NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET,
    flags: 0,
    write: (out) =>
      writeBody(out, [nfgenmsg, { nfgen_family: fromFamily(family) }], [
        CTA,
        { CTA_STATUS: status },
      ]),
  };
}

/** A request to forget exactly this connection; `ENOENT` if it is gone, even if one like it has come. */
export function deleteConnection({ family, original, id, zone }: TrackedConnection): Request {
  const { source, destination } = original;
  return {
    kind: "conntrack",
    describe: () => `forget connection ${formatIP(source)} → ${formatIP(destination)}`,
    type: NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE,
    flags: 0,
    write: (out) =>
      writeBody(out, [nfgenmsg, { nfgen_family: fromFamily(family) }], [CTA, {
        CTA_TUPLE_ORIG: tupleAttributes(original),
        CTA_ID: id,
        CTA_ZONE: zone,
      }]),
  };
}

function tupleAttributes(
  { source, destination, protocol, zone }: Tuple,
): Attributes<typeof CTA_TUPLE> {
  return {
    CTA_TUPLE_IP: source.family === 4
      ? { CTA_IP_V4_SRC: source, CTA_IP_V4_DST: destination }
      : { CTA_IP_V6_SRC: source, CTA_IP_V6_DST: destination },
    CTA_TUPLE_PROTO: protocol,
    CTA_TUPLE_ZONE: zone,
  };
}

/** Reads `IPCTNL_MSG_CT_NEW`; undefined for what has no addresses, or IPv4 ones in IPv6 form. */
export function parseConnection(message: Message): TrackedConnection | undefined {
  const { header, attributes } = readBody(message, { header: nfgenmsg, attributes: CTA });
  const family = toFamily(header.nfgen_family);
  const original = family && tuple(family, attributes.CTA_TUPLE_ORIG);
  const reply = family && tuple(family, attributes.CTA_TUPLE_REPLY);
  const { CTA_STATUS: status = 0, CTA_ID: id, CTA_ZONE: zone } = attributes;
  if (!original || !reply || id === undefined) return undefined;
  return { family, original, reply, status, id, zone };
}

function tuple(
  family: Family,
  attributes: Attributes<typeof CTA_TUPLE> | undefined,
): Tuple | undefined {
  const { CTA_TUPLE_IP: ip = {}, CTA_TUPLE_PROTO, CTA_TUPLE_ZONE } = attributes ?? {};
  const source = family === 4 ? ip.CTA_IP_V4_SRC : ip.CTA_IP_V6_SRC;
  const destination = family === 4 ? ip.CTA_IP_V4_DST : ip.CTA_IP_V6_DST;
  if (source?.family !== family || destination?.family !== family) return undefined;
  return { source, destination, protocol: CTA_TUPLE_PROTO, zone: CTA_TUPLE_ZONE };
}
