/** Network devices: rtnetlink's `RTM_*LINK`, include/uapi/linux/if_link.h and if.h. */

import { nested, table } from "./attribute.ts";
import { bytes, s32, string, struct, u16, u32, u8 } from "./codec.ts";
import type { Connection } from "./connection.ts";
import { MalformedError } from "./error.ts";
import {
  type Message,
  NLM_F_CREATE,
  NLM_F_EXCL,
  readBody,
  type Request,
  writeBody,
} from "./message.ts";

export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
const RTM_GETLINK = 18;

const IFF_UP = 0x1;
const IFF_LOOPBACK = 0x8;
const IFF_RUNNING = 0x40;
/** `ifi_type` (include/uapi/linux/if_arp.h). */
export const ARPHRD_ETHER = 1;
export const ARPHRD_PPP = 512;
/** No link layer at all: WireGuard, tun, some modems. */
export const ARPHRD_NONE = 0xfffe;

/** Leaves out counters, half of each answer. */
const RTEXT_FILTER_SKIP_STATS = 8;

/** struct ifinfomsg */
const IFINFOMSG = struct({
  ifi_family: u8,
  __ifi_pad: u8,
  ifi_type: u16,
  ifi_index: s32,
  ifi_flags: u32,
  ifi_change: u32,
});

export const IFLA_INFO = table({
  IFLA_INFO_KIND: [1, string],
});

export const IFLA = table({
  IFLA_ADDRESS: [1, bytes],
  IFLA_IFNAME: [3, string],
  IFLA_MTU: [4, u32],
  IFLA_MASTER: [10, u32],
  IFLA_LINKINFO: [18, nested(IFLA_INFO)],
  IFLA_EXT_MASK: [29, u32],
});

export interface Link {
  readonly index: number;
  readonly name: string;
  /** `wireguard`, `ipip`, `bridge`; undefined for hardware and loopback. */
  readonly kind: string | undefined;
  /** `ARPHRD_*`. */
  readonly type: number;
  /** Bytes. */
  readonly mtu: number;
  /** Set up by the administrator (`IFF_UP`). */
  readonly up: boolean;
  /** Able to carry packets (`IFF_RUNNING`). */
  readonly running: boolean;
  readonly loopback: boolean;
  /** Its hardware address, if it has one. */
  readonly address: Uint8Array | undefined;
  /** Index of the bridge or the like that it is a port of. */
  readonly master: number | undefined;
}

/** A request to create a device that needs nothing but its kind. `EEXIST` if there is one of that name. */
export function createLink(
  link: { readonly name: string; readonly kind: string; readonly mtu?: number },
): Request {
  return {
    kind: "link",
    describe: () => `create link ${link.name} of kind ${link.kind}`,
    type: RTM_NEWLINK,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    write: (out) =>
      writeBody(out, [IFINFOMSG, {}], [IFLA, {
        IFLA_MTU: link.mtu,
        IFLA_IFNAME: link.name,
        IFLA_LINKINFO: { IFLA_INFO_KIND: link.kind },
      }]),
  };
}

/** A request to change a device; what is left out stays. */
export function setLink(
  link: Pick<Link, "index" | "name">,
  change: { readonly up?: boolean; readonly mtu?: number },
): Request {
  const { up, mtu } = change;
  const header = up === undefined ? {} : { ifi_flags: up ? IFF_UP : 0, ifi_change: IFF_UP };
  const words = [
    up === undefined ? "" : up ? " up" : " down",
    mtu === undefined ? "" : ` mtu ${mtu}`,
  ];
  return {
    kind: "link",
    describe: () => `set link ${link.name}${words.join("")}`,
    type: RTM_NEWLINK,
    flags: 0,
    write: (out) =>
      writeBody(out, [IFINFOMSG, { ifi_index: link.index, ...header }], [IFLA, { IFLA_MTU: mtu }]),
  };
}

/** A request to remove a device. */
export function deleteLink(link: Pick<Link, "index" | "name">): Request {
  return {
    kind: "link",
    describe: () => `delete link ${link.name}`,
    type: RTM_DELLINK,
    flags: 0,
    write: (out) => writeBody(out, [IFINFOMSG, { ifi_index: link.index }], [IFLA, {}]),
  };
}

/** Reads `RTM_NEWLINK` and `RTM_DELLINK`; undefined for a bridge's message about its port. */
export function parseLink(message: Message): Link | undefined {
  const { header, attributes } = readBody(message, { header: IFINFOMSG, attributes: IFLA });
  if (header.ifi_family !== 0) return undefined; // AF_BRIDGE
  if (attributes.IFLA_IFNAME === undefined) throw new MalformedError("IFLA_IFNAME is missing");
  return {
    index: header.ifi_index,
    name: attributes.IFLA_IFNAME,
    kind: attributes.IFLA_LINKINFO?.IFLA_INFO_KIND,
    type: header.ifi_type,
    mtu: attributes.IFLA_MTU ?? 0,
    up: (header.ifi_flags & IFF_UP) !== 0,
    running: (header.ifi_flags & IFF_RUNNING) !== 0,
    loopback: (header.ifi_flags & IFF_LOOPBACK) !== 0,
    address: attributes.IFLA_ADDRESS,
    master: attributes.IFLA_MASTER,
  };
}

/** All devices, by index. */
export function listLinks(connection: Connection): Link[] {
  const messages = connection.dump({
    kind: "link",
    describe: () => "read links",
    type: RTM_GETLINK,
    flags: 0,
    write: (out) =>
      writeBody(out, [IFINFOMSG, {}], [IFLA, { IFLA_EXT_MASK: RTEXT_FILTER_SKIP_STATS }]),
  });
  return messages.flatMap((message) => parseLink(message) ?? []).sort((a, b) => a.index - b.index);
}
