/** Clusters of any size to measure with, and what the kernel of one of their nodes must come to hold. */

import { createHash } from "node:crypto";
import { ANNOTATIONS, type Strings } from "../src/mesh/object.ts";
import { addToIP, formatIP, parseIP } from "../src/net/ip.ts";
import { type Key, keyFromBytes } from "../src/net/key.ts";
import { hostPrefix, parsePrefix, type Prefix } from "../src/net/prefix.ts";
import type { NodeManifest, PeerManifest } from "../tests/lab/manifests.ts";

export type Kind = "peers" | "nodes";

/** What a row of the bench measures. */
export interface Size {
  readonly kind: Kind;
  readonly count: number;
}

export type Manifest = NodeManifest | PeerManifest;

/** What of the objects the kernel must hold; every prefix in it is a network. */
export interface Expected {
  readonly routes: readonly Prefix[];
  /** The allowed IPs of each peer on the device. */
  readonly peers: ReadonlyMap<Key, readonly Prefix[]>;
  /** What never is masqueraded. */
  readonly known: readonly Prefix[];
}

/** The node that is measured. It leads its location. */
export const HERE = {
  name: "node-0",
  /** On `eth0`, address/length. */
  addresses: ["198.18.0.1/32", "10.0.0.1/16"],
  gateway: "10.0.255.254",
};

/** A node that checks in by a status file of its own, which can be written again. */
export const CHECKING_IN = "node-1";

/** Nobody but {@link CHECKING_IN} checks in again and again: all are as good as just seen till then. */
const IN_AN_HOUR = Math.floor(Date.now() / 1000) + 3600;

const LOCATIONS = 10;
const WIREGUARD_ADDRESSES = "10.4.0.0";

/**
 * N Peers, in a mesh of the two nodes that every row has; or N nodes, all in all, in 10 locations.
 * No two networks touch, so that nothing becomes less work by being merged.
 */
export function objects({ kind, count }: Size): Manifest[] {
  const nodes = range(kind === "nodes" ? count : 2).map((at) => node(at));
  return kind === "nodes" ? nodes : [...nodes, ...range(count).map((at) => peer(at))];
}

/** One more object of the kind, in two versions that differ in where it can be reached. */
export function oneMore(
  { kind, count }: Size,
): { readonly added: Manifest; readonly changed: Manifest } {
  // In the last location, whose nodes are reached through the tunnel.
  const at = Math.ceil(count / LOCATIONS) * LOCATIONS + LOCATIONS - 1;
  return kind === "nodes"
    ? { added: node(at), changed: node(at, { network: at + 1 }) }
    : { added: peer(count), changed: peer(count, { network: count + 1 }) };
}

/** The annotations that {@link CHECKING_IN} publishes when it checks in for the n-th time. */
export function checkIn(n: number): Strings {
  return { [ANNOTATIONS.lastSeen]: `${IN_AN_HOUR + n}` };
}

/** What the kernel of {@link HERE}, whose key is another on each start, must hold of these objects. */
export function expected(all: readonly Manifest[], kind: Kind): Expected {
  const nodes = all.filter((object) => object.kind === "Node");
  const ofPeers = all.filter((object) => object.kind === "Peer");
  const routes: Prefix[] = [];
  const peers = new Map<Key, Prefix[]>();
  const known: Prefix[] = [];
  const segments = [...Map.groupBy(nodes, ({ metadata }) => segmentOf(metadata, kind)).entries()]
    .sort(([a], [b]) => a < b ? -1 : 1).map(([, members]) => members);
  segments.forEach((members, at) => {
    const wireGuardIP = hostPrefix(addToIP(parseIP(WIREGUARD_ADDRESSES)!, at + 1)!);
    const reached = members.map((member) => ({ member, networks: networksOf(member) }));
    const allowed = [...reached.flatMap(({ networks }) => networks), wireGuardIP];
    known.push(...allowed);
    const isOurs = members.some(({ metadata }) => metadata.name === HERE.name);
    for (const { member, networks } of reached) {
      if (member.metadata.name === HERE.name) continue;
      routes.push(...isOurs ? networks.slice(0, 1) : networks);
    }
    if (!isOurs) peers.set(keyOf(members[0]!.metadata.name), allowed);
  });
  for (const { metadata, spec } of ofPeers) {
    const allowed = (spec?.allowedIPs ?? []).map((text) => parsePrefix(text ?? "")!);
    routes.push(...allowed);
    known.push(...allowed);
    peers.set(keyOf(metadata.name), allowed);
  }
  return { routes, peers, known };
}

function segmentOf({ name, annotations }: NodeManifest["metadata"], kind: Kind): string {
  return kind === "nodes" ? annotations![ANNOTATIONS.location]! : name;
}

/** Pod subnet and internal address. */
function networksOf({ spec, metadata }: NodeManifest): Prefix[] {
  const internal = parsePrefix(metadata.annotations![ANNOTATIONS.internalIP]!)!;
  return [parsePrefix(spec!.podCIDR!)!, hostPrefix(internal.ip)];
}

function node(at: number, { network = at } = {}): NodeManifest {
  const name = `node-${at}`;
  const published = {
    [ANNOTATIONS.endpoint]: `${address("198.18.0.1", at)}:51820`,
    [ANNOTATIONS.internalIP]: `${address("10.0.0.1", 2 * at)}/16`,
    [ANNOTATIONS.key]: keyOf(name),
    [ANNOTATIONS.lastSeen]: `${IN_AN_HOUR}`,
  };
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name,
      annotations: {
        [ANNOTATIONS.location]: `location-${at % LOCATIONS}`,
        ...at < LOCATIONS && { [ANNOTATIONS.leader]: "" },
        ...name === HERE.name ? { [ANNOTATIONS.internalIP]: HERE.addresses[1]! } : published,
      },
    },
    spec: { podCIDR: `${address("10.64.0.0", 2 * network * 256)}/24` },
  };
}

function peer(at: number, { network = at } = {}): PeerManifest {
  const name = `peer-${at}`;
  return {
    apiVersion: "kilo.squat.ai/v1alpha1",
    kind: "Peer",
    metadata: { name },
    spec: {
      allowedIPs: [`${address("10.5.0.0", 2 * network)}/32`],
      endpoint: { dnsOrIP: { ip: address("198.19.0.1", at) }, port: 51820 },
      publicKey: keyOf(name),
    },
  };
}

/** Always the same one for a name; nobody has the private key. */
function keyOf(name: string): Key {
  return keyFromBytes(createHash("sha256").update(name).digest());
}

function address(base: string, offset: number): string {
  return formatIP(addToIP(parseIP(base)!, offset)!);
}

function range(count: number): number[] {
  return [...Array(count).keys()];
}
