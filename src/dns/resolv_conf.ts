/** resolv.conf(5) as glibc reads it (resolv/res_init.c): what it does not know, it skips. */

import { formatIP, type IP, parseIP } from "../net/ip.ts";

export interface Server {
  readonly ip: IP;
  /** Of a link-local address: an interface, by name or index. */
  readonly scope?: string;
}

/** The address as resolv.conf has it. */
export function formatServer({ ip, scope }: Server): string {
  return scope === undefined ? formatIP(ip) : `${formatIP(ip)}%${scope}`;
}

export interface ResolvConf {
  /** In the order of the file, one to three. */
  readonly servers: readonly Server[];
  /** Domains for names with fewer than `ndots` dots, and after others that do not exist. */
  readonly search: readonly string[];
  readonly ndots: number;
  /** Milliseconds that a server has to answer. */
  readonly timeout: number;
  /** How often the list of servers is gone through. */
  readonly attempts: number;
  /** Begin with another server each time. */
  readonly rotate: boolean;
  /** TCP only. */
  readonly useTCP: boolean;
  /** Ask for no IPv6 addresses. */
  readonly noAAAA: boolean;
}

// include/resolv.h and resolv/resolv-internal.h of glibc
const MAXNS = 3;
const RES_MAXNDOTS = 15;
const RES_MAXRETRANS = 30;
const RES_MAXRETRY = 5;
/** glibc has no limit by now; each domain is one more question for a name that does not exist. */
const MOST_DOMAINS = 32;

/** What glibc does without a file, or without servers in it. */
const LOOPBACK: Server = { ip: parseIP("127.0.0.1")! };

/**
 * Reads the file's text; empty if there is no file. `hostname`: the domain of this host's own name
 * is searched where neither `search` nor `domain` is given.
 */
export function parseResolvConf(text: string, hostname = ""): ResolvConf {
  const servers: Server[] = [];
  let search = domainOf(hostname);
  const options = new Map<string, string>();
  for (const line of text.split("\n")) {
    const match = /^(nameserver|domain|search|options)[ \t]+(.*)$/.exec(line.replace(/\r$/, ""));
    if (!match) continue; // comments, other words, and words that do not begin the line
    const words = match[2]!.split(/[ \t]+/).filter((word) => word !== "");
    switch (match[1]) {
      case "nameserver": {
        const server = parseServer(words[0] ?? "");
        if (server && servers.length < MAXNS) servers.push(server);
        break;
      }
      case "domain":
        search = words.slice(0, 1);
        break;
      case "search":
        search = words;
        break;
      case "options":
        for (const word of words) {
          const [name, value = ""] = word.split(/:(.*)/s);
          options.set(name!, value);
        }
    }
  }
  return {
    servers: servers.length > 0 ? servers : [LOOPBACK],
    search: search.map((domain) => domain.replace(/\.$/, "")).filter((domain) => domain !== "")
      .slice(0, MOST_DOMAINS),
    ndots: number(options.get("ndots"), { fallback: 1, least: 0, most: RES_MAXNDOTS }),
    timeout: 1000 * number(options.get("timeout"), { fallback: 5, least: 1, most: RES_MAXRETRANS }),
    attempts: number(options.get("attempts"), { fallback: 2, least: 1, most: RES_MAXRETRY }),
    rotate: options.has("rotate"),
    useTCP: options.has("use-vc"),
    noAAAA: options.has("no-aaaa"),
  };
}

/** inet_aton(3) also reads `127.1` and `0x7f000001`; here only dotted quads are addresses. */
function parseServer(text: string): Server | undefined {
  const [address = "", scope] = text.split(/%(.*)/s);
  const ip = parseIP(address);
  if (!ip || scope === undefined) return ip && { ip };
  return ip.family === 6 && /^[\w.-]+$/.test(scope) ? { ip, scope } : undefined;
}

function domainOf(hostname: string): string[] {
  const dot = hostname.indexOf(".");
  return dot < 0 ? [] : [hostname.slice(dot + 1)];
}

/** As atoi(3) does, and bounded: no number is 0, which `least` then corrects. */
function number(
  text: string | undefined,
  { fallback, least, most }: {
    readonly fallback: number;
    readonly least: number;
    readonly most: number;
  },
): number {
  if (text === undefined) return fallback;
  const digits = /^\s*[-+]?\d+/.exec(text)?.[0];
  return Math.max(least, Math.min(most, Number(digits ?? 0)));
}
