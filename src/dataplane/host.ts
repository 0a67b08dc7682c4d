/** The host's devices, addresses and default routes: read when asked for, kept until something happens. */

import { equalIP, type Family, type IP, width } from "../net/ip.ts";
import { ROUTE_PROTOCOL } from "../net/route.ts";
import {
  addAddress,
  type Address,
  deleteAddress,
  IFA_F_DADFAILED,
  IFA_F_OPTIMISTIC,
  IFA_F_TENTATIVE,
  listAddresses,
} from "../netlink/address.ts";
import type { Connection } from "../netlink/connection.ts";
import { findDefaultRoutes } from "../netlink/default_route.ts";
import type { NetlinkError } from "../netlink/error.ts";
import { createLink, deleteLink, type Link, listLinks, setLink } from "../netlink/link.ts";
import type { Request } from "../netlink/message.ts";
import {
  dumpRoutes,
  parseRoute,
  type RouteEntry,
  RTPROT_BOOT,
  RTPROT_DHCP,
  RTPROT_RA,
  RTPROT_STATIC,
} from "../netlink/route.ts";
import { readWays } from "../netlink/next_hops.ts";
import { lookUpRoute, lookUpWay, type Way } from "../netlink/route_lookup.ts";
import { RT_TABLE_MAIN } from "../netlink/rtnetlink.ts";
import type { AddressChange } from "./addresses.ts";

/** Kinds of kernel events that invalidate what is known of the host. */
export type HostEvent = "link" | "address" | "route";

/** Reading and writing throws a NetlinkError if the kernel refuses. */
export class Host {
  readonly #connection: Connection;
  #links: readonly Link[] | undefined;
  #addresses: readonly Address[] | undefined;
  #defaultRoutes: readonly RouteEntry[] | undefined;
  #lookup: { readonly to: IP; readonly way: Way | undefined } | undefined;
  #ways: readonly RouteEntry[] | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Something of this kind changed. A removed device removes its addresses and routes without events. */
  invalidate(event: HostEvent): void {
    if (event === "link") this.#links = undefined;
    if (event !== "route") this.#addresses = undefined;
    this.#defaultRoutes = undefined;
    this.#lookup = undefined;
    this.#ways = undefined;
  }

  /** By index. */
  get links(): readonly Link[] {
    return this.#links ??= listLinks(this.#connection);
  }

  get addresses(): readonly Address[] {
    return this.#addresses ??= this.#listAddresses();
  }

  /** If an address is on an unknown device, all devices are read again. */
  #listAddresses(): readonly Address[] {
    const addresses = listAddresses(this.#connection);
    const known = new Set(this.#links?.map(({ index }) => index));
    if (addresses.some(({ index }) => !known.has(index))) this.#links = undefined;
    return addresses;
  }

  /** Those in force in the main table that are not ours; IPv4 before IPv6. */
  get defaultRoutes(): readonly RouteEntry[] {
    return this.#defaultRoutes ??= listDefaultRoutes(this.#connection);
  }

  /** Does the kernel have a route to this address? */
  hasRoute(to: IP): boolean {
    return typeof lookUpRoute(this.#connection, to) !== "number";
  }

  /**
   * The routes of the main table that the host was set up with, but for those that its addresses bring,
   * and routing daemons' thousands; one with several next hops once for each. The default route counts
   * whoever set it.
   */
  get ways(): readonly RouteEntry[] {
    return this.#ways ??= [
      ...listWays(this.#connection),
      ...this.defaultRoutes.filter((route) => !isSetUp(route)),
    ];
  }

  /**
   * Is the address reached without the mesh, and not through that device? Undefined: it is not reached
   * at all. A host route of ours that goes the host's own way was made for just that, by an agent that
   * ran before this one.
   */
  isReachedWithout(ip: IP, device: string): boolean | undefined {
    const answer = lookUpRoute(this.#connection, ip);
    const route = typeof answer === "number" ? undefined : parseRoute(answer);
    if (!route) return undefined;
    if (route.oif !== undefined && route.oif === this.link(device)?.index) return false;
    return route.protocol !== ROUTE_PROTOCOL || this.#isAround(route);
  }

  /** Those into the mesh go by a gateway inside of it, or by the Kilo interface. */
  #isAround({ dst: { ip, bits }, gateway, oif }: RouteEntry): boolean {
    if (bits < width(ip.family)) return false;
    return gateway === undefined ||
      this.ways.some((way) => way.oif === oif && equalIP(way.gateway, gateway));
  }

  /** The device of the default route; none if there is no such route, or it is a multipath one. */
  get underlay(): Link | undefined {
    const [first] = this.defaultRoutes;
    if (first?.oif === undefined) return undefined;
    return this.#firstOf(new Set([first.oif]));
  }

  link(name: string): Link | undefined {
    return this.links.find((link) => link.name === name);
  }

  addressesOf({ index }: Pick<Link, "index">): readonly Address[] {
    return this.addresses.filter((address) => address.index === index);
  }

  /** Is it an own address that packets can be sent from now? */
  canSendFrom(ip: IP): boolean {
    return this.addresses.some(({ prefix, flags = 0 }) =>
      equalIP(prefix.ip, ip) && !(flags & IFA_F_DADFAILED) &&
      (!(flags & IFA_F_TENTATIVE) || (flags & IFA_F_OPTIMISTIC) !== 0)
    );
  }

  /** How the kernel sends packets there; undefined if it cannot. Only the last answer is kept. */
  wayTo(ip: IP): Way | undefined {
    if (!equalIP(this.#lookup?.to, ip)) {
      this.#lookup = { to: ip, way: lookUpWay(this.#connection, ip) };
    }
    return this.#lookup?.way;
  }

  /** The first device, by index, that has this address. */
  holderOf(ip: IP): Link | undefined {
    const holders = new Set(
      this.addresses.filter(({ prefix }) => equalIP(prefix.ip, ip)).map(({ index }) => index),
    );
    return this.#firstOf(holders);
  }

  /** The first of these devices. If one is unknown, all are read again. */
  #firstOf(indices: ReadonlySet<number>): Link | undefined {
    const known = this.links.filter(({ index }) => indices.has(index));
    if (known.length === indices.size) return known[0];
    this.#links = undefined;
    return this.links.find(({ index }) => indices.has(index));
  }

  /** Makes a device of a kind that needs no settings. An existing one of that name is no error. */
  createLink(link: { readonly name: string; readonly kind: string }): void {
    this.#write([createLink(link)], "link", (error) => error.isExists());
  }

  /** Sets what differs; returns whether anything did. */
  changeLink(link: Link, change: { readonly up?: boolean; readonly mtu?: number }): boolean {
    const { up = link.up, mtu = link.mtu } = change;
    if (up === link.up && mtu === link.mtu) return false;
    const differing = { ...up !== link.up && { up }, ...mtu !== link.mtu && { mtu } };
    this.#write([setLink(link, differing)], "link", () => false);
    return true;
  }

  deleteLink(link: Link): void {
    this.#write([deleteLink(link)], "link", (error) => error.isNotFound());
  }

  /** Returns whether there was anything to do. */
  changeAddresses(changes: readonly AddressChange[]): boolean {
    const requests = changes.map(({ verb, address }) =>
      verb === "add" ? addAddress(address) : deleteAddress(address)
    );
    this.#write(
      requests,
      "address",
      (error, at) => changes[at]?.verb === "add" ? error.isExists() : error.isNotFound(),
    );
    return changes.length > 0;
  }

  /** Sends all requests, then throws the first error that does not mean "already done". */
  #write(
    requests: readonly Request[],
    event: HostEvent,
    isDone: (error: NetlinkError, at: number) => boolean,
  ): void {
    if (requests.length === 0) return;
    this.invalidate(event);
    const errors = this.#connection.execute(requests);
    const refused = errors.find((error, at) => error && !isDone(error, at));
    if (refused) throw refused;
  }
}

/**
 * `rtm_protocol` of what people, DHCP and router advertisements bring. To look for one costs the kernel
 * up to 40 ms where there are 300,000 routes of others.
 */
const SETUP_PROTOCOLS: Readonly<Record<Family, readonly number[]>> = {
  4: [RTPROT_BOOT, RTPROT_STATIC, RTPROT_DHCP],
  6: [RTPROT_BOOT, RTPROT_STATIC, RTPROT_RA, RTPROT_DHCP],
};

/** Is it one of the main table that people, DHCP or router advertisements bring? */
export function isSetUp({ dst: { ip }, protocol, table }: RouteEntry): boolean {
  return table === RT_TABLE_MAIN && SETUP_PROTOCOLS[ip.family].includes(protocol);
}

function listWays(connection: Connection): RouteEntry[] {
  return ([4, 6] as const).flatMap((family) =>
    SETUP_PROTOCOLS[family].flatMap((protocol) => {
      const filter = { family, protocol, table: RT_TABLE_MAIN };
      return readWays(dumpRoutes(connection, filter), filter);
    })
  );
}

function listDefaultRoutes(connection: Connection): RouteEntry[] {
  return ([4, 6] as const).flatMap((family) =>
    findDefaultRoutes(connection, { family, except: ROUTE_PROTOCOL })
  );
}
