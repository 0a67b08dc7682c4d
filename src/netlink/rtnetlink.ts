/** What links, addresses, routes and rules have in common: include/uapi/linux/rtnetlink.h. */

import type { Family } from "../net/ip.ts";

export const AF_UNSPEC = 0;
export const AF_INET = 2;
export const AF_INET6 = 10;

/** Address families of the kernel that we know the addresses of. */
export function toFamily(af: number): Family | undefined {
  return af === AF_INET ? 4 : af === AF_INET6 ? 6 : undefined;
}

export function fromFamily(family: Family): number {
  return family === 4 ? AF_INET : AF_INET6;
}

/** `rtm_scope`, `ifa_scope`: how far a destination or address reaches. */
export const RT_SCOPE_UNIVERSE = 0;
export const RT_SCOPE_LINK = 253;

export const RT_TABLE_MAIN = 254;

/** Headers have one byte for a table; larger numbers go into an attribute. */
export function splitTable(table: number): { header: number; attribute: number | undefined } {
  return table < 256 ? { header: table, attribute: undefined } : { header: 0, attribute: table };
}
