/** Where a server listens, as Go writes it: `host:port`, `[v6]:port`, or `:port` for every address. */

import { describeError } from "../net/text.ts";

export interface ListenAddress {
  readonly hostname: string;
  readonly port: number;
}

/** Reads it; undefined if it is something else. An empty host is `::`, which is IPv4 too. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const match = /^(?:\[([0-9a-fA-F:.%\w]*)\]|([^[\]:]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65535) return undefined;
  return { hostname: match[1] || match[2] || "::", port };
}

/**
 * Opens a server there; `open` is called again for IPv4 alone if the kernel has no IPv6. Throws what
 * it throws, with the address.
 */
export function listenOn<T>(text: string, open: (address: ListenAddress) => T): T {
  const address = parseListenAddress(text);
  if (!address) throw new Error(`cannot listen on ${text}: host:port or :port is expected`);
  try {
    try {
      return open(address);
    } catch (error) {
      if (address.hostname !== "::" || !isWithoutIPv6(error)) throw error;
      return open({ ...address, hostname: "0.0.0.0" });
    }
  } catch (error) {
    throw new Error(`cannot listen on ${text}: ${describeError(error)}`, { cause: error });
  }
}

function isWithoutIPv6(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EAFNOSUPPORT";
}
