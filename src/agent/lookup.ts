/** What a name in an endpoint stands for: an address itself, or what /etc/hosts and DNS have. */

import { type Addresses, type DNSResolver, LookupError } from "../dns/resolver.ts";
import { type IP, parseIP } from "../net/ip.ts";
import { quote } from "../net/text.ts";

/**
 * All addresses of a name, by family. Not to be waited for: dead servers take 30 s. Rejects with a
 * {@link LookupError} for what is no name.
 */
export async function lookupAddresses(dns: DNSResolver, name: string): Promise<Addresses> {
  const literal = parseIP(name);
  if (literal) {
    return {
      A: literal.family === 4 ? [literal] : [],
      AAAA: literal.family === 6 ? [literal] : [],
    };
  }
  if (/(^|\.)\d+\.?$/.test(name)) { // no top-level domain is a number: `10.0.0.01`
    throw new LookupError(`${quote(name)} is neither an address nor a host name`);
  }
  return await dns.lookup(name);
}

/**
 * All addresses of a name that could be found out, IPv4 first, then by number, so that every node
 * prefers the same one. Rejects with a {@link LookupError} if there is none.
 */
export async function lookupHost(dns: DNSResolver, name: string): Promise<readonly IP[]> {
  const { A, AAAA } = await lookupAddresses(dns, name);
  const ips = [A, AAAA].flatMap((family) => family instanceof LookupError ? [] : family);
  if (ips.length > 0) return ips;
  throw failureOf({ A, AAAA }, name);
}

/** Why a lookup that found no address found none. */
export function failureOf({ A, AAAA }: Addresses, name: string): LookupError {
  for (const family of [A, AAAA]) if (family instanceof LookupError) return family;
  return new LookupError(`${quote(name)} has no address`);
}
