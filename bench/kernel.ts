/** Does a namespace's kernel hold just what it shall? Read with the tools people use, not with our code. */

import { formatPrefix, parsePrefix, type Prefix } from "../src/net/prefix.ts";
import type { Namespace } from "../tests/lab/namespace.ts";
import type { Expected } from "./cluster.ts";

export const DEVICE = "kilo0";
/** `rtm_protocol` of our routes. */
export const PROTOCOL = "107";

/** What differs, in one sentence; undefined: all is as it shall be. */
export async function difference(
  namespace: Namespace,
  desired: Expected,
): Promise<string | undefined> {
  const peers = [...desired.peers].map(([key, prefixes]) =>
    peerText(key, prefixes.map(formatPrefix))
  );
  return compare("routes", desired.routes.map(formatPrefix), await readRoutes(namespace)) ??
    compare("WireGuard peers", peers, await readPeers(namespace)) ??
    compare("spans never masqueraded", merged(desired.known.map(span)), await readKnown(namespace));
}

function compare(
  what: string,
  desired: readonly string[],
  there: readonly string[],
): string | undefined {
  const present = new Set(there);
  const missing = desired.find((text) => !present.has(text));
  if (missing === undefined && desired.length === there.length) return undefined;
  const example = missing === undefined ? "" : `, without ${missing}`;
  return `${there.length} ${what} instead of ${desired.length}${example}`;
}

async function readRoutes(namespace: Namespace): Promise<string[]> {
  const text = await namespace.exec(
    ["ip", "-j", "-4", "route", "show", "table", "all", "proto", PROTOCOL],
  );
  const routes = JSON.parse(text || "[]") as { dst: string }[];
  return routes.map(({ dst }) => dst.includes("/") ? dst : `${dst}/32`);
}

async function readPeers(namespace: Namespace): Promise<string[]> {
  const text = await namespace.exec(["wg", "show", DEVICE, "allowed-ips"]);
  return text.split("\n").filter((line) => line !== "").map((line) => {
    const [key, ...networks] = line.split(/\s/);
    return peerText(key!, networks);
  });
}

function peerText(key: string, networks: readonly string[]): string {
  return `${key} ${[...networks].sort().join(" ")}`;
}

/** An element of an interval set, as `nft -j` has it. */
type Element =
  | string
  | { readonly prefix: { readonly addr: string; readonly len: number } }
  | { readonly range: readonly [first: string, last: string] };

async function readKnown(namespace: Namespace): Promise<string[]> {
  const { code, stdout } = await namespace.try(
    ["nft", "-j", "list", "set", "ip", "kilo", "known"],
  );
  if (code !== 0) return []; // there is no such table yet
  const { nftables } = JSON.parse(stdout) as {
    nftables: readonly { readonly set?: { readonly elem?: readonly Element[] } }[];
  };
  return merged(nftables.flatMap(({ set }) => set?.elem ?? []).map(elementSpan));
}

/** IPv4 addresses as numbers, the end not included. */
interface Span {
  readonly start: number;
  readonly end: number;
}

function elementSpan(element: Element): Span {
  if (typeof element === "string") return span(parsePrefix(`${element}/32`)!);
  if ("prefix" in element) {
    return span(parsePrefix(`${element.prefix.addr}/${element.prefix.len}`)!);
  }
  const [first, last] = element.range.map((text) => span(parsePrefix(`${text}/32`)!));
  return { start: first!.start, end: last!.end };
}

function span({ ip, bits }: Prefix): Span {
  const start = Number(ip.value);
  return { start, end: start + 2 ** (32 - bits) };
}

/** The same addresses are the same texts, however they are cut into spans. */
function merged(spans: readonly Span[]): string[] {
  const result: { start: number; end: number }[] = [];
  for (const { start, end } of spans.toSorted((a, b) => a.start - b.start)) {
    const last = result.at(-1);
    if (last && start <= last.end) last.end = Math.max(last.end, end);
    else result.push({ start, end });
  }
  return result.map(({ start, end }) => `${start}-${end}`);
}
