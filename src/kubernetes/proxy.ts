/**
 * Which proxy leads to a server. The environment is read as Go's `golang.org/x/net/http/httpproxy`
 * reads it; Deno's own reading differs, and knows no exception for loopback addresses.
 */

import { equalIP, type IP, parseIP } from "../net/ip.ts";
import { contains, parsePrefix, type Prefix } from "../net/prefix.ts";

/** What the environment says of proxies; empty: nothing. */
export interface ProxySettings {
  /** For `http` URLs. */
  readonly http: string;
  /** For `https` URLs. */
  readonly https: string;
  /** Hosts that are reached without a proxy. */
  readonly no: string;
}

/** Of two names with a value the upper-case one counts. */
const NAMES = {
  http: ["HTTP_PROXY", "http_proxy"],
  https: ["HTTPS_PROXY", "https_proxy"],
  no: ["NO_PROXY", "no_proxy"],
} as const;

/** Deno reads these too, Go does not. */
const OTHERS = ["ALL_PROXY", "all_proxy"] as const;

/** The variables themselves, for programs that are started. */
export type ProxyVariables = Readonly<Record<string, string>>;

export interface TakenProxies {
  readonly settings: ProxySettings;
  readonly variables: ProxyVariables;
}

let taken: TakenProxies | undefined;

/**
 * The settings of the environment, which has none from the first call on: Deno would follow them
 * wherever it is not given a proxy, and cannot be told not to.
 */
export function takeProxies(): TakenProxies {
  if (taken) return taken;
  const variables: Record<string, string> = {};
  for (const name of [...Object.values(NAMES).flat(), ...OTHERS]) {
    const value = Deno.env.get(name);
    if (value === undefined) continue;
    variables[name] = value;
    Deno.env.delete(name);
  }
  return taken = { settings: proxySettings((name) => variables[name]), variables };
}

export function proxySettings(environment: (name: string) => string | undefined): ProxySettings {
  const first = (names: readonly string[]) => names.map(environment).find(Boolean) ?? "";
  return { http: first(NAMES.http), https: first(NAMES.https), no: first(NAMES.no) };
}

/** The proxy that the environment names for this URL, as it is written there; undefined: none. */
export function proxyFor(url: URL, settings: ProxySettings): string | undefined {
  const proxy = url.protocol === "https:" ? settings.https : settings.http;
  if (proxy === "" || isExcepted(url, settings.no)) return undefined;
  return proxy;
}

/** `localhost`, or an address of 127.0.0.0/8 or ::1; IPv6 addresses with or without brackets. */
export function isLoopback(hostname: string): boolean {
  const host = withoutBrackets(hostname).toLowerCase();
  if (host === "localhost") return true;
  const ip = parseIP(host);
  return ip !== undefined && LOOPBACK.some((prefix) => contains(prefix, ip));
}

const LOOPBACK: readonly Prefix[] = [parsePrefix("127.0.0.0/8")!, parsePrefix("::1/128")!];

/** Is this server to be reached without a proxy? */
function isExcepted(url: URL, exceptions: string): boolean {
  if (isLoopback(url.hostname)) return true;
  const host = withoutBrackets(url.hostname).toLowerCase();
  const target = { host, ip: parseIP(host), port: url.port || defaultPort(url) };
  return exceptions.split(",").some((entry) => matches(entry.trim().toLowerCase(), target));
}

interface Target {
  readonly host: string;
  /** Of a host that is an address. */
  readonly ip: IP | undefined;
  readonly port: string;
}

/** An entry is `*`, a network, or an address or name with or without a port. */
function matches(entry: string, target: Target): boolean {
  if (entry === "") return false;
  if (entry === "*") return true;
  const prefix = parsePrefix(entry);
  if (prefix) return target.ip !== undefined && contains(prefix, target.ip);
  const { host, port } = splitPort(entry);
  if (host === "" || port !== "" && port !== target.port) return false;
  const ip = parseIP(host);
  if (ip) return target.ip !== undefined && equalIP(ip, target.ip);
  return matchesName(host, target.host);
}

/** `example.com` also stands for its subdomains, `.example.com` and `*.example.com` only for those. */
function matchesName(entry: string, host: string): boolean {
  const name = entry.startsWith("*.") ? entry.slice(1) : entry;
  if (name.startsWith(".")) return host.endsWith(name);
  return host === name || host.endsWith(`.${name}`);
}

/** `host:port`, `[v6]:port`, or a host alone, which may be an IPv6 address without brackets. */
function splitPort(entry: string): { host: string; port: string } {
  const [, bracketed, plain, port] = /^(?:\[(.*)\]|([^:]*)):([^:]*)$/.exec(entry) ?? [];
  if (port === undefined) return { host: entry, port: "" };
  return { host: bracketed ?? plain!, port };
}

function defaultPort({ protocol }: URL): string {
  return protocol === "https:" ? "443" : "80";
}

function withoutBrackets(host: string): string {
  return host.startsWith("[") && host.endsWith("]") ? host.slice(1, -1) : host;
}
