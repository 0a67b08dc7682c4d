/** Plans how a device gets its one desired address. */

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
 * Makes `desired` the only address of a device that has the `observed` ones, except for IPv6
 * link-local ones. An address that is there already is not touched.
 *
 * The kernel removes an IPv4 address together with those that were added later in its network
 * ("secondary" ones, unless `promote_secondaries` is set), and with a device's last address all
 * routes through it. So where `desired` lies in the network of an address that goes, a /32 of it is
 * there meanwhile.
 */
export function diffAddresses(
  desired: { readonly index: number; readonly prefix: Prefix },
  observed: readonly Address[],
): AddressChange[] {
  const { index, prefix } = desired;
  const add = (prefix: Prefix) => ({ verb: "add", address: ours(index, prefix) }) as const;
  const remove = (address: Address) => ({ verb: "remove", address }) as const;
  const stale = observed.filter((address) =>
    !isDesired(address, prefix) && !contains(LINK_LOCAL_V6, address.prefix.ip)
  );
  if (stale.some((address) => isPrimaryOver(address.prefix, prefix))) {
    const meanwhile = ours(index, hostPrefix(prefix.ip));
    const others = stale.filter((address) => !equalPrefix(address.prefix, meanwhile.prefix));
    return [add(meanwhile.prefix), ...others.map(remove), add(prefix), remove(meanwhile)];
  }
  const isThere = observed.some((address) => isDesired(address, prefix));
  return [...isThere ? [] : [add(prefix)], ...stale.map(remove)];
}

function ours(index: number, prefix: Prefix): Address {
  return { index, prefix, protocol: ROUTE_PROTOCOL };
}

function isDesired(address: Address, desired: Prefix): boolean {
  return equalPrefix(address.prefix, desired) && address.peer === undefined;
}

function isPrimaryOver(there: Prefix, desired: Prefix): boolean {
  return desired.ip.family === 4 && there.bits === desired.bits &&
    equalPrefix(network(there), network(desired));
}
