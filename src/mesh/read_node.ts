/** From a Kubernetes Node object to the node it describes. */

import { parseEndpoint } from "../net/endpoint.ts";
import { parseKey, ZERO_KEY } from "../net/key.ts";
import { network, parsePrefix, type Prefix } from "../net/prefix.ts";
import { quote } from "../net/text.ts";
import { NO_ENDPOINTS, parseDiscoveredEndpoints } from "./discovered_endpoints.ts";
import type { DiscoveredEndpoints, Granularity, Node } from "./node.ts";
import { ANNOTATIONS, type NodeObject, type Strings } from "./object.ts";

export interface ParsedNode {
  readonly node: Node;
  /** What was passed over, a line each: the field, its value and what it should be. */
  readonly warnings: readonly string[];
}

/** Never fails: text that can't be read counts as not there, so that every agent sees one mesh. */
export function parseNode(object: NodeObject, options: { topologyLabel: string }): ParsedNode {
  const { name, labels } = object.metadata;
  const from: Reader = { annotations: object.metadata.annotations ?? {}, warnings: [] };
  const key = read(from, "key", KEY);
  const node: Node = {
    name,
    location: from.annotations[ANNOTATIONS.location] ?? labelOf(labels, options.topologyLabel),
    leader: ANNOTATIONS.leader in from.annotations,
    persistentKeepalive: read(from, "persistentKeepalive", KEEPALIVE) ?? 0,
    allowedLocationIPs: readPrefixes(from, "allowedLocationIPs"),
    discoveredEndpoints: readDiscoveredEndpoints(from),
    lastSeen: read(from, "lastSeen", INTEGER) ?? 0,
    ...present({
      endpoint: read(from, "forceEndpoint", HOST_PORT) ?? read(from, "endpoint", HOST_PORT),
      key: key === ZERO_KEY ? undefined : key,
      subnet: readSubnet(from, object.spec?.podCIDR),
      internalIP: readInternalIP(from),
      wireGuardIP: read(from, "wireGuardIP", CIDR),
      cniCompatibilityIP: read(from, "cniCompatibilityIP", CIDR),
      encapsulationIP: read(from, "encapsulationIP", CIDR),
      granularity: read(from, "granularity", GRANULARITY),
      created: readTime(object.metadata.creationTimestamp),
    }),
  };
  return { node, warnings: from.warnings };
}

/** Does `force-internal-ip` say that the node shall have no internal address? */
export function forbidsInternalIP(annotations: Strings): boolean {
  const text = annotations[ANNOTATIONS.forceInternalIP];
  return text === "" || text === "-";
}

interface Reader {
  readonly annotations: Strings;
  readonly warnings: string[];
}

/** How text becomes a value, and what to call it when it does not. */
interface Kind<T> {
  readonly parse: (text: string) => T | undefined;
  readonly wanted: string;
  /** Never shown in a warning: people paste private keys. */
  readonly secret?: true;
}

const CIDR: Kind<Prefix> = { parse: parsePrefix, wanted: "an address with prefix length" };
const HOST_PORT = { parse: parseEndpoint, wanted: "host:port" };
const KEY = { parse: parseKey, wanted: "base64 of 32 bytes", secret: true } as const;
const INTEGER = { parse: parseInt64, wanted: "an integer" };
const KEEPALIVE = { parse: parseKeepalive, wanted: "a number of seconds from 0 to 65535" };
const GRANULARITY = { parse: parseGranularity, wanted: '"location" or "full"' };

/** Empty text is nothing at all, without a warning. */
function read<T>(from: Reader, name: keyof typeof ANNOTATIONS, kind: Kind<T>): T | undefined {
  const text = from.annotations[ANNOTATIONS[name]];
  return text ? parse(from, annotation(name), { text, kind }) : undefined;
}

function parse<T>(
  from: Reader,
  field: string,
  { text, kind }: { text: string; kind: Kind<T> },
): T | undefined {
  const value = kind.parse(text);
  if (value === undefined) {
    const shown = kind.secret ? "its value" : quote(text);
    from.warnings.push(`${field}: ${shown} is not ${kind.wanted}`);
  }
  return value;
}

function annotation(name: keyof typeof ANNOTATIONS): string {
  return `annotation ${ANNOTATIONS[name]}`;
}

function readInternalIP(from: Reader): Prefix | undefined {
  if (forbidsInternalIP(from.annotations)) return undefined;
  return read(from, "forceInternalIP", CIDR) ?? read(from, "internalIP", CIDR);
}

function readPrefixes(from: Reader, name: "allowedLocationIPs"): readonly Prefix[] {
  const texts = from.annotations[ANNOTATIONS[name]]?.split(",") ?? [];
  return texts.filter((text) => text !== "")
    .map((text) => parse(from, annotation(name), { text, kind: CIDR }))
    .filter((prefix) => prefix !== undefined);
}

function readDiscoveredEndpoints(from: Reader): DiscoveredEndpoints {
  const parsed = read(from, "discoveredEndpoints", {
    parse: parseDiscoveredEndpoints,
    wanted: "a JSON object",
  });
  for (const key of parsed?.skipped ?? []) {
    from.warnings.push(`${annotation("discoveredEndpoints")}: ${quote(key)} has no IP and port`);
  }
  return parsed?.endpoints ?? NO_ENDPOINTS;
}

function readSubnet(from: Reader, text: string | null | undefined): Prefix | undefined {
  const prefix = text ? parse(from, "spec.podCIDR", { text, kind: CIDR }) : undefined;
  return prefix && network(prefix);
}

/** Only says which of two nodes was there first: text that is no time is passed over in silence. */
function readTime(time: unknown): number | undefined {
  const value = time instanceof Date
    ? time.getTime()
    : Date.parse(typeof time === "string" ? time : "");
  return Number.isNaN(value) ? undefined : value;
}

/** As Go's `strconv.ParseInt(text, 10, 64)`; the number is the nearest that JavaScript has. */
function parseInt64(text: string): number | undefined {
  if (!/^[+-]?\d+$/.test(text)) return undefined;
  const value = BigInt(text.replace("+", ""));
  return BigInt.asIntN(64, value) === value ? Number(value) : undefined;
}

function parseKeepalive(text: string): number | undefined {
  const seconds = parseInt64(text);
  return seconds !== undefined && seconds >= 0 && seconds <= 65535 ? seconds : undefined;
}

function parseGranularity(text: string): Granularity | undefined {
  return text === "location" || text === "full" ? text : undefined;
}

function labelOf(labels: Strings | null | undefined, name: string): string {
  return labels && Object.hasOwn(labels, name) ? labels[name] ?? "" : "";
}

type Present<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Only the fields that have a value. */
function present<T extends object>(fields: T): Present<T> {
  const there: Present<T> = {};
  for (const name in fields) {
    const value = fields[name];
    if (value !== undefined) there[name] = value as Present<T>[typeof name];
  }
  return there;
}
