/** Addresses on network devices: rtnetlink's `RTM_*ADDR`, include/uapi/linux/if_addr.h. */

import { equalIP, formatIP, type IP, width } from "../net/ip.ts";
import { formatPrefix, type Prefix } from "../net/prefix.ts";
import { table } from "./attribute.ts";
import { ip, struct, u32, u8 } from "./codec.ts";
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
import { AF_UNSPEC, fromFamily, RT_SCOPE_UNIVERSE, toFamily } from "./rtnetlink.ts";

export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;
const RTM_GETADDR = 22;

/**
 * IPv4: added after another one of the same network. IPv6 (`IFA_F_TEMPORARY`): made up for privacy,
 * and replaced soon (RFC 8981).
 */
export const IFA_F_SECONDARY = 0x01;
/** IPv6: usable although {@link IFA_F_TENTATIVE} (RFC 4429). */
export const IFA_F_OPTIMISTIC = 0x04;
/** IPv6: somebody else has it. */
export const IFA_F_DADFAILED = 0x08;
/** Not to be used for anything new. */
export const IFA_F_DEPRECATED = 0x20;
/** IPv6: not usable until it is sure that nobody else has it. */
export const IFA_F_TENTATIVE = 0x40;
/** Without a lifetime. */
export const IFA_F_PERMANENT = 0x80;

/** struct ifaddrmsg */
const IFADDRMSG = struct({
  ifa_family: u8,
  ifa_prefixlen: u8,
  ifa_flags: u8,
  ifa_scope: u8,
  ifa_index: u32,
});

export const IFA = table({
  IFA_ADDRESS: [1, ip],
  IFA_LOCAL: [2, ip],
  IFA_FLAGS: [8, u32],
  IFA_PROTO: [11, u8],
});

export interface Address {
  /** Of the device. */
  readonly index: number;
  /** The address itself with the length of its network. */
  readonly prefix: Prefix;
  /** The other end of a point-to-point link, which the prefix length then belongs to. */
  readonly peer?: IP | undefined;
  /** {@link RT_SCOPE_UNIVERSE}, which is the default, or narrower. */
  readonly scope?: number | undefined;
  /** Who set it (`IFA_PROTO`); kernels before 5.18 forget it. 0: unknown. */
  readonly protocol?: number | undefined;
  /** `IFA_F_*` as the kernel tells them; not sent. */
  readonly flags?: number | undefined;
}

/** A request to add an address; `EEXIST` if the device has it. */
export function addAddress(address: Address): Request {
  const flags = NLM_F_CREATE | NLM_F_EXCL;
  return writeAddress(address, { verb: "add", type: RTM_NEWADDR, flags });
}

/** A request to remove an address; `EADDRNOTAVAIL` if the device does not have it. */
export function deleteAddress(address: Address): Request {
  return writeAddress(address, { verb: "delete", type: RTM_DELADDR, flags: 0 });
}

function writeAddress(
  address: Address,
  how: { readonly verb: string; readonly type: number; readonly flags: number },
): Request {
  const { index, prefix, peer, scope, protocol } = address;
  return {
    kind: "address",
    describe: () => {
      const to = peer ? ` peer ${formatIP(peer)}` : "";
      return `${how.verb} address ${formatPrefix(prefix)}${to} on link ${index}`;
    },
    type: how.type,
    flags: how.flags,
    write: (out) =>
      writeBody(out, [IFADDRMSG, {
        ifa_family: fromFamily(prefix.ip.family),
        ifa_prefixlen: prefix.bits,
        ifa_scope: scope ?? RT_SCOPE_UNIVERSE,
        ifa_index: index,
      }], [IFA, {
        IFA_LOCAL: prefix.ip,
        IFA_ADDRESS: peer ?? prefix.ip,
        IFA_PROTO: protocol || undefined,
      }]),
  };
}

/** Reads `RTM_NEWADDR` and `RTM_DELADDR`; undefined for other families, and IPv4 in IPv6 form. */
export function parseAddress(message: Message): Required<Address> | undefined {
  const { header, attributes } = readBody(message, { header: IFADDRMSG, attributes: IFA });
  const family = toFamily(header.ifa_family);
  if (!family) return undefined;
  const { IFA_ADDRESS: far, IFA_LOCAL: local = far } = attributes;
  if (!local) throw new MalformedError("IFA_ADDRESS is missing");
  if (local.family !== family) return undefined;
  if (header.ifa_prefixlen > width(family)) {
    throw new MalformedError(`an address with a prefix length of ${header.ifa_prefixlen}`);
  }
  return {
    index: header.ifa_index,
    prefix: { ip: local, bits: header.ifa_prefixlen },
    peer: equalIP(far, local) ? undefined : far,
    scope: header.ifa_scope,
    protocol: attributes.IFA_PROTO ?? 0,
    flags: attributes.IFA_FLAGS ?? header.ifa_flags,
  };
}

/** All IPv4 and IPv6 addresses of all devices. */
export function listAddresses(connection: Connection): Required<Address>[] {
  const messages = connection.dump({
    kind: "address",
    describe: () => "read addresses",
    type: RTM_GETADDR,
    flags: 0,
    write: (out) => writeBody(out, [IFADDRMSG, { ifa_family: AF_UNSPEC }], [IFA, {}]),
  });
  return messages.flatMap((message) => parseAddress(message) ?? []);
}
