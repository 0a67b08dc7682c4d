/**
 * IP addresses as values, read and written as Go's `net` package does: every agent in a cluster
 * must accept and skip the same text.
 */

export type Family = 4 | 6;

/** An address. An IPv4 address in IPv6 form (`::ffff:a.b.c.d`) is always held as the IPv4 one. */
export interface IP {
  readonly family: Family;
  /** The address as an unsigned integer of {@link width} bits, network byte order. */
  readonly value: bigint;
}

const MAPPED = 0xffffn << 32n; // ::ffff:0:0/96, RFC 4291 §2.5.5.2

/** Bits in an address of this family: 32 or 128. */
export function width(family: Family): 32 | 128 {
  return family === 4 ? 32 : 128;
}

/** Reads an address; undefined if Go's `net.ParseIP` would refuse it (zones, leading zeros, spaces). */
export function parseIP(text: string): IP | undefined {
  return text.includes(":") ? parseIPv6(text) : parseIPv4(text);
}

/** Character codes. */
const [DOT, ZERO] = [46, 48];

/** In one pass: thousands of these are read at once. */
function parseIPv4(text: string): IP | undefined {
  let [value, octet, digits, octets] = [0, 0, 0, 0];
  for (let at = 0; at <= text.length; at++) {
    const code = at < text.length ? text.charCodeAt(at) : DOT; // the end is the end of an octet
    if (code === DOT) {
      if (digits === 0 || ++octets > 4) return undefined;
      value = value * 256 + octet;
      octet = digits = 0;
    } else {
      const leadingZero = digits++ > 0 && octet === 0;
      if (code < ZERO || code > ZERO + 9 || leadingZero) return undefined;
      octet = octet * 10 + code - ZERO;
      if (octet > 255) return undefined;
    }
  }
  return octets === 4 ? { family: 4, value: BigInt(value) } : undefined;
}

/** RFC 4291 §2.2; `::` must stand for at least one group. */
function parseIPv6(text: string): IP | undefined {
  const plain = text.includes(".") ? withoutDots(text) : text;
  const halves = plain?.split("::") ?? [];
  if (halves.length < 1 || halves.length > 2) return undefined;
  const groups = halves.map((half) => half === "" ? [] : half.split(":"));
  const missing = 8 - groups.flat().length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  if (!groups.flat().every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  const all = [...groups[0]!, ...Array<string>(missing).fill("0"), ...groups[1] ?? []];
  return fromBits(BigInt("0x" + all.map((group) => group.padStart(4, "0")).join("")));
}

/** IPv6 text with its dotted end (`::1.2.3.4`) written as two groups. */
function withoutDots(text: string): string | undefined {
  const at = text.lastIndexOf(":") + 1;
  const ip = parseIPv4(text.slice(at));
  return ip &&
    `${text.slice(0, at)}${(ip.value >> 16n).toString(16)}:${(ip.value & 0xffffn).toString(16)}`;
}

/** The address of 128 bits. */
function fromBits(value: bigint): IP {
  return value >> 32n === 0xffffn ? { family: 4, value: value - MAPPED } : { family: 6, value };
}

/** Reads 4 or 16 bytes in network byte order; any other length is a RangeError. */
export function ipFromBytes(bytes: Uint8Array): IP {
  if (bytes.length !== 4 && bytes.length !== 16) {
    throw new RangeError(`an IP address has 4 or 16 bytes, not ${bytes.length}`);
  }
  let value = 0n;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < bytes.length; at += 4) value = value << 32n | BigInt(view.getUint32(at));
  return bytes.length === 4 ? { family: 4, value } : fromBits(value);
}

/** The 4 or 16 bytes of an address, network byte order. */
export function ipToBytes(ip: IP): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(width(ip.family) / 8);
  const view = new DataView(bytes.buffer);
  if (ip.family === 4) {
    view.setUint32(0, Number(ip.value));
    return bytes;
  }
  let value = ip.value;
  for (let at = bytes.length - 4; at >= 0; at -= 4, value >>= 32n) {
    view.setUint32(at, Number(value & 0xffffffffn));
  }
  return bytes;
}

/** Dotted decimal, or RFC 5952 text. */
export function formatIP(ip: IP): string {
  if (ip.family === 6) return formatIPv6(ip.value);
  const value = Number(ip.value);
  return `${value >>> 24}.${value >>> 16 & 255}.${value >>> 8 & 255}.${value & 255}`;
}

function formatIPv6(value: bigint): string {
  const groups: string[] = [];
  for (let shift = 112n; shift >= 0n; shift -= 16n) {
    groups.push((value >> shift & 0xffffn).toString(16));
  }
  // The first of the longest runs of two or more zero groups becomes "::".
  let best = { at: 0, length: 1 };
  for (let at = 0, length = 0; at < 8; at++) {
    length = groups[at] === "0" ? length + 1 : 0;
    if (length > best.length) best = { at: at - length + 1, length };
  }
  if (best.length < 2) return groups.join(":");
  return `${groups.slice(0, best.at).join(":")}::${groups.slice(best.at + best.length).join(":")}`;
}

export function equalIP(a: IP | undefined, b: IP | undefined): boolean {
  return a === b ||
    (a !== undefined && b !== undefined && a.family === b.family && a.value === b.value);
}

/** IPv4 before IPv6, then by number. */
export function compareIP(a: IP, b: IP): number {
  if (a.family !== b.family) return a.family - b.family;
  return a.value < b.value ? -1 : a.value > b.value ? 1 : 0;
}

/** The address `offset` above this one; undefined past the end of its family. */
export function addToIP(ip: IP, offset: number): IP | undefined {
  const value = ip.value + BigInt(offset);
  return value >> BigInt(width(ip.family)) === 0n ? { family: ip.family, value } : undefined;
}

/**
 * Public in Kilo's sense, on which leader election on every node depends: not in 10/8, 172.16/12,
 * 192.168/16 or fd00::/16. Everything else, 100.64/10 and fe80:: included, is public.
 */
export function isPublic(ip: IP): boolean {
  if (ip.family === 6) return ip.value >> 112n !== 0xfd00n;
  return ip.value >> 24n !== 10n && ip.value >> 20n !== 0xac1n && ip.value >> 16n !== 0xc0a8n;
}
