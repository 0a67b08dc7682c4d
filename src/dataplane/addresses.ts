/** How a device gets the one address it shall have. */

import {
  contains,
  equalPrefix,
  hostPrefix,
  network,
  parsePrefix,
  type Prefix,
} from "../net/prefix.ts";
import { ROUTE_PROTOCOL } from "../net/route.ts";
import type { Address } from "../netlink/address.ts";

export interface AddressChange {
  readonly verb: "add" | "remove";
  readonly address: Address;
}

const LINK_LOCAL_V6 = parsePrefix("fe80::/10")!;

/**
 * What makes `wish` the only address of a device that has the `observed` ones, IPv6 link-local ones
 * apart. What is there already is not touched.
 *
 * The kernel removes an IPv4 address together with those that were added later in its network
 * ("secondary" ones, unless `promote_secondaries` is set), and with a device's last address all
 * routes through it. So where the wish lies in the network of one that goes, it is there as a /32
 * meanwhile.
 */
export function diffAddresses(
  wish: { readonly index: number; readonly prefix: Prefix },
  observed: readonly Address[],
): AddressChange[] {
  const { index, prefix } = wish;
  const add = (prefix: Prefix) => ({ verb: "add", address: ours(index, prefix) }) as const;
  const remove = (address: Address) => ({ verb: "remove", address }) as const;
  const stale = observed.filter((address) =>
    !isWished(address, prefix) && !contains(LINK_LOCAL_V6, address.prefix.ip)
  );
  if (stale.some((address) => isPrimaryOver(address.prefix, prefix))) {
    const meanwhile = ours(index, hostPrefix(prefix.ip));
    const others = stale.filter((address) => !equalPrefix(address.prefix, meanwhile.prefix));
    return [add(meanwhile.prefix), ...others.map(remove), add(prefix), remove(meanwhile)];
  }
  const isThere = observed.some((address) => isWished(address, prefix));
  return [...isThere ? [] : [add(prefix)], ...stale.map(remove)];
}

function ours(index: number, prefix: Prefix): Address {
  return { index, prefix, protocol: ROUTE_PROTOCOL };
}

function isWished(address: Address, wish: Prefix): boolean {
  return equalPrefix(address.prefix, wish) && address.peer === undefined;
}

function isPrimaryOver(there: Prefix, wish: Prefix): boolean {
  return wish.ip.family === 4 && there.bits === wish.bits &&
    equalPrefix(network(there), network(wish));
}
