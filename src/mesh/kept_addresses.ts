/** The addresses that must stay where they are, whatever network a Node or Peer declares around them. */

import { type DeviceConfig, peersByKey } from "../net/device.ts";
import { equalIP, formatIP, type IP } from "../net/ip.ts";
import { contains, equalPrefix, hostPrefix } from "../net/prefix.ts";
import { PrefixMap } from "../net/prefix_map.ts";
import type { Key } from "../net/key.ts";
import type { Holder } from "./holders.ts";
import type { HostFacts } from "./host_facts.ts";
import type { Topology } from "./topology.ts";

export interface KeptAddress {
  readonly ip: IP;
  /** `the gateway`; with the address after it, see {@link describeAddress}. */
  readonly what: string;
  /** The node whose endpoint it is: `node berlin-1`. */
  readonly node?: string;
  /** On this host: the kernel finds it before it looks at any route of ours. */
  readonly isOwn?: true;
}

/** `the gateway 10.0.0.1` */
export function describeAddress({ what, ip }: KeptAddress): string {
  return `${what} ${formatIP(ip)}`;
}

/**
 * Those of the host, and wherever encrypted packets go: the endpoints that the device shall have, and
 * those that it has found by itself. But a Peer's endpoint takes nothing from a node that has the
 * address, and a server that is a node's address is reached through the mesh. `device`: the peers
 * that a leader has, or would have.
 */
export function keptAddresses(
  topology: Topology,
  { device, holders, facts }: {
    readonly device: DeviceConfig;
    readonly holders: PrefixMap<Holder>;
    readonly facts: HostFacts;
  },
): KeptAddress[] {
  const { local, localSegment, segments } = topology;
  const leaders = new Map(segments.map(({ leader }) => [leader.key, `node ${leader.name}`]));
  const targets = peersByKey(device);
  const addresses: KeptAddress[] = facts.addresses.map((ip) => (
    { ip, what: "the own address", isOwn: true }
  ));
  const own = new PrefixMap<true>();
  own.set(local.subnet, true); // pods are never routed away
  const keep = (ip: IP, what: string, node?: string) => {
    if (!own.covering(hostPrefix(ip))) {
      addresses.push({ ip, what, ...node !== undefined && { node } });
    }
  };
  const keepEndpoint = (key: Key, ip: IP) => {
    const node = leaders.get(key);
    if (node !== undefined || !holders.covering(hostPrefix(ip))) keep(ip, "the endpoint", node);
  };
  for (const ip of gatewaysOf(facts, holders)) keep(ip, "the gateway");
  for (const { name, internalIP } of localSegment.nodes) {
    if (internalIP) keep(internalIP.ip, `node ${name} at`);
  }
  for (const { ip, role } of facts.servers) {
    if (!isInMesh(ip, topology, facts)) keep(ip, `the ${role}`);
  }
  const { leader, endpoint } = localSegment;
  if (endpoint.ip) keepEndpoint(leader.key, endpoint.ip);
  for (const { publicKey, endpoint } of device.peers) {
    if (endpoint?.ip) keepEndpoint(publicKey, endpoint.ip);
  }
  for (const { publicKey, ip, hasLived } of facts.endpoints) {
    // Where there was no session the device is about to be told another endpoint, if there is one.
    if (hasLived || !targets.get(publicKey)?.endpoint?.ip) keepEndpoint(publicKey, ip);
  }
  return addresses;
}

/** A node that others' routes go by, as with some networks for pods, is not only a gateway. */
function gatewaysOf({ ways }: HostFacts, holders: PrefixMap<Holder>): IP[] {
  return ways.flatMap(({ dst, gateway }) =>
    gateway && (dst.bits === 0 || !holders.get(hostPrefix(gateway))) ? gateway : []
  );
}

/** Is it just what a node of another segment declares, and nobody's who is on link? */
function isInMesh(ip: IP, { segments, localSegment }: Topology, { networks }: HostFacts): boolean {
  if (networks.some(({ prefix }) => contains(prefix, ip))) return false;
  return segments.some((segment) =>
    segment !== localSegment && (
      segment.nodes.some(({ internalIP }) => equalIP(internalIP?.ip, ip)) ||
      segment.allowedLocationIPs.some((prefix) => equalPrefix(prefix, hostPrefix(ip)))
    )
  );
}
