/** CIDRs: an address *and* a prefix length, since Kilo keeps both as written. */

import { compareIP, type Family, formatIP, type IP, parseIP, width } from "./ip.ts";

/** `10.0.0.7/24` is the address 10.0.0.7 in a /24; {@link network} clears the host bits. */
export interface Prefix {
  readonly ip: IP;
  /** Prefix length in bits, 0 to 32 or 0 to 128. */
  readonly bits: number;
}

/** Bits of an IPv4 address in IPv6 form that come before the IPv4 ones: ::ffff:0:0/96. */
const MAPPED_BITS = 96;

/**
 * Reads a CIDR as Go's `net.ParseCIDR`: `/08` is 8; an IPv4-mapped address becomes IPv4. Unlike Go
 * it refuses one of /96 or shorter (`::ffff:10.0.0.1/64`): that would be all of IPv4.
 */
export function parsePrefix(text: string): Prefix | undefined {
  const slash = text.indexOf("/");
  if (slash < 0 || !/^\d+$/.test(text.slice(slash + 1))) return undefined;
  const address = text.slice(0, slash);
  const ip = parseIP(address);
  if (!ip) return undefined;
  const written: Family = address.includes(":") ? 6 : 4;
  const bits = Number(text.slice(slash + 1));
  if (bits > width(written)) return undefined;
  if (written === ip.family) return { ip, bits };
  // ::ffff:10.0.0.1/120 prints, and behaves, as 10.0.0.1/24 there.
  return bits > MAPPED_BITS ? { ip, bits: bits - MAPPED_BITS } : undefined;
}

/**
 * What a WireGuard device calls `ip/bits` in its IPv6 list. Of an IPv4-mapped address the IPv4
 * network; one of /96 or shorter, which other programs may have set, stays an IPv6 network.
 */
export function prefixOfIPv6(ip: IP, bits: number): Prefix {
  if (ip.family === 6) return { ip, bits };
  if (bits > MAPPED_BITS) return { ip, bits: bits - MAPPED_BITS };
  return { ip: { family: 6, value: ip.value | 0xffffn << 32n }, bits };
}

export function formatPrefix(prefix: Prefix): string {
  return `${formatIP(prefix.ip)}/${prefix.bits}`;
}

/** The prefix with its host bits cleared. */
export function network(prefix: Prefix): Prefix {
  const shift = BigInt(width(prefix.ip.family) - prefix.bits);
  const value = prefix.ip.value >> shift << shift;
  return value === prefix.ip.value
    ? prefix
    : { ip: { family: prefix.ip.family, value }, bits: prefix.bits };
}

/** The prefix, as written, as a key of a Map: numbers are IPv4, bigints are IPv6. */
export function prefixKey({ ip, bits }: Prefix): number | bigint {
  return ip.family === 4 ? Number(ip.value) * 64 + bits : ip.value << 8n | BigInt(bits);
}

/** The {@link prefixKey} of the prefix's {@link network}, without making that for IPv4. */
export function networkKey(prefix: Prefix): number | bigint {
  const { ip, bits } = prefix;
  if (ip.family === 6) return prefixKey(network(prefix));
  if (bits === 0) return 0; // to shift by 32 is not to shift at all
  const mask = -1 << (32 - bits);
  return ((Number(ip.value) & mask) >>> 0) * 64 + bits;
}

/** The address alone: a /32 or /128. */
export function hostPrefix(ip: IP): Prefix {
  return { ip, bits: width(ip.family) };
}

/** Is the address in the network of this prefix? */
export function contains(prefix: Prefix, ip: IP): boolean {
  if (prefix.ip.family !== ip.family) return false;
  const shift = BigInt(width(ip.family) - prefix.bits);
  return prefix.ip.value >> shift === ip.value >> shift;
}

/** Do the two networks share an address? */
export function overlaps(a: Prefix, b: Prefix): boolean {
  return a.bits <= b.bits ? contains(a, b.ip) : contains(b, a.ip);
}

/** Same address as written and same length. */
export function equalPrefix(a: Prefix | undefined, b: Prefix | undefined): boolean {
  return a === b ||
    (a !== undefined && b !== undefined && a.bits === b.bits && compareIP(a.ip, b.ip) === 0);
}

/** By address (IPv4 first), then the shorter prefix first. */
export function comparePrefix(a: Prefix, b: Prefix): number {
  return compareIP(a.ip, b.ip) || a.bits - b.bits;
}
