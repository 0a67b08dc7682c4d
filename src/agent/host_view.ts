/** A host's interfaces and addresses as discovery sees them, from what the kernel reports. */

import { type IP, width } from "../net/ip.ts";
import type { Prefix } from "../net/prefix.ts";
import {
  type Address,
  IFA_F_DADFAILED,
  IFA_F_DEPRECATED,
  IFA_F_PERMANENT,
  IFA_F_SECONDARY,
} from "../netlink/address.ts";
import { ARPHRD_ETHER, ARPHRD_NONE, ARPHRD_PPP, type Link } from "../netlink/link.ts";
import { RT_SCOPE_UNIVERSE } from "../netlink/rtnetlink.ts";

/** What discovery reads. */
export interface HostView {
  /** By index. */
  readonly interfaces: readonly HostInterface[];
  /** Index of the default route's device, or why there is none. */
  readonly defaultDevice: number | "missing" | "multipath";
  /** What the host name resolves to; empty as long as nobody knows. */
  readonly hostnameIPs: readonly IP[];
}

export interface HostInterface {
  readonly index: number;
  readonly name: string;
  /** Carries somebody's private network: its addresses count only where there is no other. */
  readonly isTunnel: boolean;
  readonly addresses: readonly HostAddress[];
}

export interface HostAddress {
  /** The address with the length of its network. */
  readonly prefix: Prefix;
  /** Nobody should use it any more: deprecated, or somebody else has it. */
  readonly isExpired: boolean;
  /** Looks like one that moves between hosts (keepalived, kube-vip), or is not for the world. */
  readonly isFloating: boolean;
  /** A network of more than this host, or the other end of a line. */
  readonly hasNeighbours: boolean;
  /** Without a lifetime. */
  readonly isPermanent: boolean;
}

/** What the kernel reports of a host. */
export interface HostState {
  /** By index. */
  readonly links: readonly Pick<Link, "index" | "name" | "kind" | "type">[];
  readonly addresses: readonly Address[];
  /** The one in force first. */
  readonly defaultRoutes: readonly { readonly oif: number | undefined }[];
}

/** Puts links, addresses and default routes together. */
export function viewHost(host: HostState, hostnameIPs: readonly IP[]): HostView {
  // First the addresses: one on a new device makes the devices be read again.
  const addresses = Map.groupBy(host.addresses, ({ index }) => index);
  const [route] = host.defaultRoutes;
  return {
    interfaces: host.links.map((link) => ({
      index: link.index,
      name: link.name,
      isTunnel: isTunnel(link, host.defaultRoutes),
      addresses: (addresses.get(link.index) ?? []).map(viewAddress),
    })),
    defaultDevice: route ? route.oif ?? "multipath" : "missing",
    hostnameIPs,
  };
}

/**
 * WireGuard, tun, and whatever virtual device has no link layer either (`ovpn`, `amneziawg`, `xfrm`);
 * but not the kernel's `wwan`, which is a modem. A tap or ppp device is a way out like any other when
 * it carries a default route, as those of rootless containers and PPPoE do, and else a tunnel.
 */
function isTunnel(
  { index, kind, type }: Pick<Link, "index" | "kind" | "type">,
  defaultRoutes: HostState["defaultRoutes"],
): boolean {
  const isWayOut = defaultRoutes.some(({ oif }) => oif === undefined || oif === index);
  if (kind === "ppp" || type === ARPHRD_PPP) return !isWayOut;
  if (kind === "tun" && type === ARPHRD_ETHER) return !isWayOut;
  if (kind === "wireguard" || kind === "tun") return true;
  return kind !== undefined && kind !== "wwan" && type === ARPHRD_NONE;
}

function viewAddress({ prefix, peer, scope, flags = 0 }: Address): HostAddress {
  const hasNeighbours = prefix.bits < width(prefix.ip.family) || peer !== undefined;
  const isPermanent = (flags & IFA_F_PERMANENT) !== 0;
  const isSecondary = (flags & IFA_F_SECONDARY) !== 0; // or, in IPv6, temporary
  const isGlobal = (scope ?? RT_SCOPE_UNIVERSE) === RT_SCOPE_UNIVERSE;
  return {
    prefix,
    isExpired: (flags & (IFA_F_DADFAILED | IFA_F_DEPRECATED)) !== 0,
    // What DHCP leases is no floating address, even where clouds lease a /32.
    isFloating: isSecondary || !isGlobal || isPermanent && !hasNeighbours,
    hasNeighbours,
    isPermanent,
  };
}
