/** The addresses of a name, as Go's resolver finds them: /etc/hosts, then DNS. */

import { ifThere } from "../files/replace.ts";
import { compareIP, equalIP, type IP, parseIP } from "../net/ip.ts";
import { quote } from "../net/text.ts";

/** A name has no address, or nobody could be asked. */
export class LookupError extends Error {
  override readonly name = "LookupError";
}

/** Milliseconds after which DNS is given up. */
const TIMEOUT = 10_000;

/**
 * All addresses of a name, IPv4 first, then by number, so that every node prefers the same one. Not
 * to be waited for: a dead server takes seconds. Throws {@link LookupError}.
 */
export async function lookupHost(name: string, signal?: AbortSignal): Promise<readonly IP[]> {
  const literal = parseIP(name);
  if (literal) return [literal];
  if (/(^|\.)\d+\.?$/.test(name)) { // no top-level domain is a number: `10.0.0.01`
    throw new LookupError(`${quote(name)} is neither an address nor a host name`);
  }
  const hosts = await ifThere(() => Deno.readTextFile("/etc/hosts"));
  const known = findInHosts(hosts ?? "", name);
  return unique(known.length > 0 ? known : await askDNS(name, signal));
}

/** The addresses of a name in a hosts file (hosts(5)). */
export function findInHosts(text: string, name: string): IP[] {
  const wanted = name.toLowerCase().replace(/\.$/, "");
  return text.split("\n").flatMap((line) => {
    const [address = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    return names.some((name) => name.toLowerCase() === wanted) ? parseIP(address) ?? [] : [];
  });
}

async function askDNS(name: string, signal: AbortSignal | undefined): Promise<IP[]> {
  const timeout = AbortSignal.timeout(TIMEOUT);
  const options = { signal: signal ? AbortSignal.any([timeout, signal]) : timeout };
  const answers = await Promise.allSettled([
    Deno.resolveDns(name, "A", options),
    Deno.resolveDns(name, "AAAA", options),
  ]);
  const texts = answers.flatMap((answer) => answer.status === "fulfilled" ? answer.value : []);
  if (texts.length > 0) return texts.flatMap((text) => parseIP(text) ?? []);
  const failures = answers.filter((answer) => answer.status === "rejected");
  const cause = failures.map(({ reason }) => reason)
    .find((reason) => !(reason instanceof Deno.errors.NotFound));
  throw new LookupError(`${quote(name)} does not resolve`, cause && { cause });
}

function unique(ips: readonly IP[]): IP[] {
  return ips.toSorted(compareIP).filter((ip, at, all) => at === 0 || !equalIP(ip, all[at - 1]!));
}
