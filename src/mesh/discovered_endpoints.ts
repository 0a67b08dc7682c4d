/** The annotation `discovered-endpoints`: JSON as Go writes and reads `map[string]*net.UDPAddr`. */

import { formatIP, type IP, parseIP } from "../net/ip.ts";
import { compareText } from "../net/text.ts";
import type { DiscoveredEndpoints } from "./node.ts";

/** No endpoint discovered. */
export const NO_ENDPOINTS: DiscoveredEndpoints = new Map();

/** Reads the annotation. What is no JSON object means none; a bad entry is passed over alone. */
export function parseDiscoveredEndpoints(
  text: string,
): { readonly endpoints: DiscoveredEndpoints; readonly skipped: readonly string[] } | undefined {
  const value = parseJSON(text);
  if (value === null) return { endpoints: NO_ENDPOINTS, skipped: [] };
  if (typeof value !== "object" || Array.isArray(value)) return undefined;
  const endpoints = new Map<string, { ip: IP; port: number }>();
  const skipped: string[] = [];
  for (const [key, entry] of Object.entries(value)) {
    const endpoint = readEntry(entry);
    if (endpoint) endpoints.set(key, endpoint);
    else skipped.push(key);
  }
  return { endpoints, skipped };
}

/** As Go: field names in any case, the last wins, null is no port. A zone is of no use elsewhere. */
function readEntry(entry: unknown): { ip: IP; port: number } | undefined {
  if (typeof entry !== "object" || entry === null) return undefined;
  let ip: IP | undefined;
  let port = 0;
  for (const [name, value] of Object.entries(entry)) {
    const field = name.toLowerCase();
    if (field === "ip") ip = typeof value === "string" ? parseIP(value) : undefined;
    if (field === "port" && value !== null) port = Number.isInteger(value) ? value : 0;
  }
  return ip && port >= 1 && port <= 65535 ? { ip, port } : undefined;
}

function parseJSON(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Writes the annotation, byte for byte as the original: keys sorted, an empty zone. */
export function formatDiscoveredEndpoints(endpoints: DiscoveredEndpoints): string {
  const entries = [...endpoints].sort(([a], [b]) => compareText(a, b))
    .map(([key, endpoint]) => formatDiscoveredEndpoint(key, endpoint));
  return `{${entries.join(",")}}`;
}

/** One entry of it: all of it is ASCII. */
export function formatDiscoveredEndpoint(
  key: string,
  { ip, port }: { readonly ip: IP; readonly port: number },
): string {
  return `${JSON.stringify(key)}:${JSON.stringify({ IP: formatIP(ip), Port: port, Zone: "" })}`;
}
