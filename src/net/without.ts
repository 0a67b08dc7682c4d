/** A network without some of its addresses. */

import { type IP, width } from "./ip.ts";
import { network, type Prefix } from "./prefix.ts";

/**
 * The fewest networks that together hold what the prefix's holds but for these addresses, in order.
 * Undefined if that takes more than `limit` of them: each address may cost one for each bit that it
 * has more than the prefix. The addresses must lie inside, in order and each once.
 */
export function without(
  prefix: Prefix,
  addresses: readonly IP[],
  { limit }: { readonly limit: number },
): readonly Prefix[] | undefined {
  const pieces: Prefix[] = [];
  return split(network(prefix), addresses, { pieces, limit }) ? pieces : undefined;
}

/** False once there are too many pieces. */
function split(
  whole: Prefix,
  addresses: readonly IP[],
  into: { readonly pieces: Prefix[]; readonly limit: number },
): boolean {
  if (addresses.length === 0) return into.pieces.push(whole) <= into.limit;
  const { ip: { family, value }, bits } = whole;
  const rest = width(family) - bits;
  if (rest === 0) return true; // the address itself
  const middle = value | 1n << BigInt(rest - 1);
  const at = addresses.findIndex((address) => address.value >= middle);
  const cut = at < 0 ? addresses.length : at;
  const half = (value: bigint): Prefix => ({ ip: { family, value }, bits: bits + 1 });
  return split(half(value), addresses.slice(0, cut), into) &&
    split(half(middle), addresses.slice(cut), into);
}
