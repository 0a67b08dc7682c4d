/** The default route in force, without reading a table that may have hundreds of thousands of routes. */

import { type Family, type IP, parseIP } from "../net/ip.ts";
import { ENETUNREACH } from "../os/errno.ts";
import type { Connection } from "./connection.ts";
import { listRoutes, parseRoute, type RouteEntry } from "./route.ts";
import { lookUpRoute } from "./route_lookup.ts";
import { RT_TABLE_MAIN } from "./rtnetlink.ts";

/**
 * Addresses that hardly anybody has a route for, a table of the whole internet included: class E and
 * what else is reserved (RFC 6890), and IPv6 that is not allocated.
 */
const NOWHERE: Readonly<Record<Family, readonly IP[]>> = {
  4: addresses("240.0.0.1 255.255.255.254 192.88.99.254 198.51.100.254 203.0.113.254 192.0.2.254"),
  6: addresses("4000::1 8000::1 c000::1 e000::1"),
};

function addresses(text: string): IP[] {
  return text.split(" ").map((word) => parseIP(word)!);
}

/**
 * The default routes of the main table that are not of this protocol, the one in force first, and as a
 * rule no other. Throws a NetlinkError if the kernel refuses to tell.
 */
export function findDefaultRoutes(
  connection: Connection,
  { family, except }: { readonly family: Family; readonly except: number },
): readonly RouteEntry[] {
  for (const address of NOWHERE[family]) {
    const answer = lookUpRoute(connection, address);
    if (answer === ENETUNREACH) return [];
    const route = typeof answer === "number" ? undefined : parseRoute(answer);
    if (route?.dst.bits === 0 && route.table === RT_TABLE_MAIN && route.protocol !== except) {
      return [route];
    }
  }
  // Rules that lead elsewhere, a route for each of those addresses, a kernel before 4.13.
  return listRoutes(connection, { family, table: RT_TABLE_MAIN, bits: 0 })
    .filter(({ protocol }) => protocol !== except)
    .sort((a, b) => a.metric - b.metric);
}
