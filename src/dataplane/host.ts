/** The host's devices, addresses and default routes: read when asked for, kept until something happens. */

import { equalIP, type IP } from "../net/ip.ts";
import { ROUTE_PROTOCOL } from "../net/route.ts";
import { type Address, listAddresses } from "../netlink/address.ts";
import type { Connection } from "../netlink/connection.ts";
import { type Link, listLinks } from "../netlink/link.ts";
import { listRoutes, type RouteEntry } from "../netlink/route.ts";
import { RT_TABLE_MAIN } from "../netlink/rtnetlink.ts";

/** What kernel events tell of. */
export type HostEvent = "link" | "address" | "route";

export class Host {
  readonly #connection: Connection;
  #links: readonly Link[] | undefined;
  #addresses: readonly Address[] | undefined;
  #defaultRoutes: readonly RouteEntry[] | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** By index. */
  get links(): readonly Link[] {
    return this.#links ??= listLinks(this.#connection);
  }

  get addresses(): readonly Address[] {
    return this.#addresses ??= listAddresses(this.#connection);
  }

  /** Those of the main table that are not ours, the one in force first; IPv4 before IPv6. */
  get defaultRoutes(): readonly RouteEntry[] {
    return this.#defaultRoutes ??= listDefaultRoutes(this.#connection);
  }

  link(name: string): Link | undefined {
    return this.links.find((link) => link.name === name);
  }

  addressesOf(link: Pick<Link, "index">): readonly Address[] {
    return this.addresses.filter(({ index }) => index === link.index);
  }

  /** The first device, by index, that has this address. */
  holderOf(ip: IP): Link | undefined {
    const indices = this.addresses.filter(({ prefix }) => equalIP(prefix.ip, ip))
      .map(({ index }) => index);
    return this.links.find(({ index }) => indices.includes(index));
  }

  /** The device of the default route; none if there is no such route, or it is a multipath one. */
  get underlay(): Link | undefined {
    const [first] = this.defaultRoutes;
    return this.links.find(({ index }) => index === first?.oif);
  }

  /** Something of this kind changed. A device takes its addresses and routes along without a word. */
  invalidate(event: HostEvent): void {
    if (event === "link") this.#links = undefined;
    if (event !== "route") this.#addresses = undefined;
    this.#defaultRoutes = undefined;
  }
}

function listDefaultRoutes(connection: Connection): RouteEntry[] {
  return ([4, 6] as const).flatMap((family) =>
    listRoutes(connection, { family, table: RT_TABLE_MAIN })
      .filter(({ dst, protocol }) => dst.bits === 0 && protocol !== ROUTE_PROTOCOL)
      .sort((a, b) => a.metric - b.metric)
  );
}
