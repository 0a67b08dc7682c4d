/** hosts(5): names of addresses in a file. */

import { type IP, parseIP } from "../net/ip.ts";

/** The addresses of each name, which is in lower case, in the order of the file's text. */
export function parseHosts(text: string): ReadonlyMap<string, readonly IP[]> {
  const hosts = new Map<string, IP[]>();
  for (const line of text.split("\n")) {
    const [address = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    const ip = parseIP(address);
    if (!ip) continue;
    for (const name of new Set(names.map(hostKey))) {
      const ips = hosts.get(name);
      if (ips) ips.push(ip);
      else hosts.set(name, [ip]);
    }
  }
  return hosts;
}

/** The key of a name among hosts. */
export function hostKey(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}
