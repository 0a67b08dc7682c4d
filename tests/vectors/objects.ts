/** One case of objects.json: what the original agent reads from a Node or Peer, and what ours reads. */

import { isDeepStrictEqual } from "node:util";
import { formatAddressPort, formatEndpoint } from "../../src/net/endpoint.ts";
import { type IP, parseIP } from "../../src/net/ip.ts";
import { parseKey } from "../../src/net/key.ts";
import { formatPrefix, type Prefix } from "../../src/net/prefix.ts";
import {
  ANNOTATIONS,
  asNodeObject,
  asPeerObject,
  type NodeObject,
  ObjectShapeError,
  type PeerObject,
} from "../../src/mesh/object.ts";
import { isComplete, isReadyPeer } from "../../src/mesh/readiness.ts";
import { forbidsInternalIP, parseNode } from "../../src/mesh/read_node.ts";
import { InvalidPeerError, parsePeer } from "../../src/mesh/read_peer.ts";
import { isFresh } from "../../src/mesh/staleness.ts";

type Fields = Readonly<Record<string, unknown>>;

/** All clusters of the vectors use this label. */
const TOPOLOGY_LABEL = "topology.kubernetes.io/region";

/** What differs, a line a field; none: the case passes. Throws if the case is not one of these. */
export function checkObjectCase(value: unknown): string[] {
  const { node, peer, now, expect } = value as Fields;
  if (typeof expect !== "object" || expect === null) throw new TypeError("a case without expect");
  const expected = { ...expect } as Record<string, unknown>;
  if (node !== undefined) {
    const object = asNodeObject(node);
    for (const better of Object.values(BETTER_NODES)) better(object, expected);
    return differences(expected, readNode(object, Number(now)));
  }
  const object = peer as PeerObject;
  for (const better of Object.values(BETTER_PEERS)) better(object, expected);
  delete expected.message; // Ours may be better worded.
  return differences(expected, readPeer(peer));
}

/** Where ours differs from the original on purpose (behaviour.md, "better"), by name. */
export const BETTER_NODES: Readonly<
  Record<string, (object: NodeObject, expected: Record<string, unknown>) => void>
> = {
  "a keepalive outside 0-65535 reads as 0": (object, expected) => {
    const text = object.metadata.annotations?.[ANNOTATIONS.persistentKeepalive] ?? "";
    if (!/^[+-]?\d+$/.test(text)) return;
    const seconds = Number(text);
    if (seconds < 0 || seconds > 65535) expected.keepaliveSeconds = 0;
  },
  "a null or bad discovered endpoint is passed over alone": (object, expected) => {
    const entries = jsonFields(object.metadata.annotations?.[ANNOTATIONS.discoveredEndpoints]);
    const texts = Object.entries(entries).map(([key, entry]) => [key, udpAddress(entry)]);
    if (texts.every(([, text]) => text !== undefined)) return;
    expected.discoveredEndpoints = Object.fromEntries(
      texts.filter(([, text]) => text !== undefined),
    );
  },
};

export const BETTER_PEERS: Readonly<
  Record<string, (object: PeerObject, expected: Record<string, unknown>) => void>
> = {
  "a keepalive above 65535 is used as 65535": (_, expected) => {
    if (Number(expected.keepaliveSeconds) > 65535) expected.keepaliveSeconds = 65535;
  },
  "a malformed preshared key makes the Peer invalid": (object, expected) => {
    const key = object.spec?.presharedKey;
    if (!key || parseKey(key) !== undefined) return;
    for (const field of Object.keys(expected)) delete expected[field];
    expected.valid = false;
  },
};

function readNode(object: NodeObject, now: number): Fields {
  const { node } = parseNode(object, { topologyLabel: TOPOLOGY_LABEL });
  return {
    allowedLocationIPs: prefixes(node.allowedLocationIPs),
    cniCompatibilityIP: prefix(node.cniCompatibilityIP),
    discoveredEndpoints: Object.fromEntries(
      [...node.discoveredEndpoints].map(([key, { ip, port }]) => [key, formatAddressPort(ip, port)]),
    ),
    endpoint: node.endpoint ? formatEndpoint(node.endpoint) : null,
    granularity: node.granularity ?? "",
    internalIP: prefix(node.internalIP),
    keepaliveSeconds: node.persistentKeepalive,
    key: node.key ?? null,
    lastSeen: node.lastSeen,
    leader: node.leader,
    location: node.location,
    noInternalIP: forbidsInternalIP(object.metadata.annotations ?? {}),
    ready: isComplete(node) && isFresh(node.lastSeen, now * 1000),
    subnet: prefix(node.subnet),
    wireGuardIP: prefix(node.wireGuardIP),
  };
}

function readPeer(value: unknown): Fields {
  try {
    const { peer } = parsePeer(asPeerObject(value));
    return {
      valid: true,
      allowedIPs: prefixes(peer.allowedIPs),
      endpoint: peer.endpoint ? formatEndpoint(peer.endpoint) : null,
      keepaliveSeconds: peer.persistentKeepalive,
      presharedKey: peer.presharedKey ?? null,
      publicKey: peer.publicKey,
      ready: isReadyPeer(peer),
    };
  } catch (error) {
    if (error instanceof InvalidPeerError || error instanceof ObjectShapeError) {
      return { valid: false };
    }
    throw error;
  }
}

function differences(expected: Fields, actual: Fields): string[] {
  const names = new Set([...Object.keys(expected), ...Object.keys(actual)]);
  return [...names].filter((name) => !isDeepStrictEqual(expected[name], actual[name])).sort().map(
    (name) =>
      `${name}: expected ${JSON.stringify(expected[name])}, got ${JSON.stringify(actual[name])}`,
  );
}

function prefix(value: Prefix | undefined): string | null {
  return value ? formatPrefix(value) : null;
}

/** Go's empty list is null. */
function prefixes(values: readonly Prefix[]): string[] | null {
  return values.length > 0 ? values.map(formatPrefix) : null;
}

/** The fields of a JSON object; none if the text is something else. */
function jsonFields(text: string | undefined): Fields {
  try {
    const value = JSON.parse(text ?? "");
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
  } catch {
    return {};
  }
}

/** `{"IP":…,"Port":…}` as `ip:port`; undefined if it is null or bad. */
function udpAddress(entry: unknown): string | undefined {
  if (typeof entry !== "object" || entry === null) return undefined;
  const lower = Object.fromEntries(
    Object.entries(entry).map(([name, value]) => [name.toLowerCase(), value]),
  );
  const ip: IP | undefined = parseIP(String(lower.ip ?? ""));
  const port = Number.isInteger(lower.port) ? lower.port : 0;
  return ip && port >= 1 && port <= 65535 ? formatAddressPort(ip, port) : undefined;
}
