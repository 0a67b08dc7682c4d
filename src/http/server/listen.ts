/** Where a server listens, as Go writes it: `host:port`, `[v6]:port`, or `:port` for every address. */

import { describeError } from "../../net/text.ts";

export interface ListenAddress {
  readonly hostname: string;
  readonly port: number;
}

/** Of every address: of IPv4 and of IPv6, or where `net.ipv6.bindv6only` is set of IPv6 alone. */
const ANY = "::";
const ANY_IPV4 = "0.0.0.0";

/** Reads it; undefined if it is something else. An empty host is every address. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const match = /^(?:\[([0-9a-fA-F:.%\w]*)\]|([^[\]:]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65535) return undefined;
  return { hostname: match[1] || match[2] || ANY, port };
}

/**
 * Listens there: for every address on one socket or, where the kernel keeps the families apart, on
 * two with the same port; on IPv4 alone where it has no IPv6. Throws an error that names the address.
 */
export function listenOn(text: string, listen: typeof listenTcp = listenTcp): Deno.TcpListener[] {
  const address = parseListenAddress(text);
  if (!address) throw new Error(`cannot listen on ${text}: host:port or :port is expected`);
  const open: Deno.TcpListener[] = [];
  try {
    if (address.hostname !== ANY) return [listen(address)];
    open.push(listenOnAny(address, listen));
    const { hostname, port } = open[0]!.addr;
    if (hostname === ANY && isIPv6Only(listen)) open.push(listen({ hostname: ANY_IPV4, port }));
    return open;
  } catch (error) {
    for (const listener of open) listener.close();
    throw new Error(`cannot listen on ${text}: ${describeError(error)}`, { cause: error });
  }
}

function listenTcp(address: ListenAddress): Deno.TcpListener {
  return Deno.listen(address);
}

function listenOnAny(address: ListenAddress, listen: typeof listenTcp): Deno.TcpListener {
  try {
    return listen(address);
  } catch (error) {
    if (!isError(error, "EAFNOSUPPORT")) throw error;
    return listen({ ...address, hostname: ANY_IPV4 });
  }
}

/**
 * Is a socket on `::` deaf to IPv4? Then the kernel refuses an IPv4 address in its IPv6 form as
 * invalid (`__inet6_bind` in net/ipv6/af_inet6.c). /proc/sys would say so, but needs more rights.
 */
function isIPv6Only(listen: typeof listenTcp): boolean {
  try {
    listen({ hostname: "::ffff:0.0.0.0", port: 0 }).close();
    return false;
  } catch (error) {
    if (isError(error, "EINVAL")) return true;
    throw error;
  }
}

function isError(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
