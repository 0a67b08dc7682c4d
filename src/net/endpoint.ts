/** Where a WireGuard peer is reached: `host:port` text and its value. */

import { equalIP, formatIP, type IP, parseIP } from "./ip.ts";

/** At least one of `dns` and `ip` is set; with a name, `ip` is its resolved address, if known. */
export interface Endpoint {
  readonly dns?: string;
  readonly ip?: IP;
  /** The first address of the other family, where the target is known by addresses of both. */
  readonly alternative?: IP;
  readonly port: number;
  /** Of a name, the text it was read from, where that is another than `dns:port` (`a.b:007`). */
  readonly written?: string;
}

/** A lower-case RFC 1123 subdomain of at most 253 characters; single labels have no limit here. */
export function isDNSName(text: string): boolean {
  return text.length <= 253 &&
    /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(text);
}

/**
 * Reads `ip:port`, `[v6]:port` or `dns-name:port`; undefined if the agents must refuse it. What
 * only looks like an address (`10.0.0.01`) is a name.
 */
export function parseEndpoint(text: string): Endpoint | undefined {
  const match = /^(?:\[([^[\]]*)\]|([^[\]:]*)):(\d+)$/.exec(text);
  if (!match) return undefined;
  const port = Number(match[3]);
  if (port < 1 || port > 65535) return undefined;
  const host = match[1] ?? match[2] ?? "";
  const ip = parseIP(host);
  if (ip) return { ip, port };
  if (!isDNSName(host)) return undefined;
  return text === `${host}:${port}` ? { dns: host, port } : { dns: host, port, written: text };
}

/** The declared form: the DNS name, if there is one and as it was written, before the address. */
export function formatEndpoint(endpoint: Endpoint): string {
  if (endpoint.dns !== undefined) return endpoint.written ?? `${endpoint.dns}:${endpoint.port}`;
  return endpoint.ip ? formatAddressPort(endpoint.ip, endpoint.port) : "";
}

/** `a.b.c.d:port` or `[v6]:port`. */
export function formatAddressPort(ip: IP, port: number): string {
  return ip.family === 6 ? `[${formatIP(ip)}]:${port}` : `${formatIP(ip)}:${port}`;
}

/** Are they the same as declared? Names are compared before addresses, resolution does not count. */
export function equalEndpoint(a: Endpoint | undefined, b: Endpoint | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  if (a.port !== b.port || a.dns !== b.dns) return false;
  return a.dns !== undefined || equalIP(a.ip, b.ip);
}

/** Are they the same address and port? Names do not count, unlike in {@link equalEndpoint}. */
export function equalAddressPort(
  a: Pick<Endpoint, "ip" | "port"> | undefined,
  b: Pick<Endpoint, "ip" | "port"> | undefined,
): boolean {
  return a?.port === b?.port && equalIP(a?.ip, b?.ip);
}
