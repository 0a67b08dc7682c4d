/** Which of its own addresses a node is reached at: from outside, and inside its location. */

import { equalIP, type IP, isPublic } from "../net/ip.ts";
import { contains, formatPrefix, hostPrefix, parsePrefix, type Prefix } from "../net/prefix.ts";

/** What discovery looks at. */
export interface HostView {
  /** By index. */
  readonly interfaces: readonly HostInterface[];
  /** Index of the default route's device, or why there is none. */
  readonly defaultDevice: number | "missing" | "multipath";
  /** What the host name resolves to; empty as long as nobody knows. */
  readonly hostnameIPs: readonly IP[];
}

export interface HostInterface {
  readonly index: number;
  readonly name: string;
  readonly addresses: readonly Prefix[];
}

export interface DiscoveryOptions {
  readonly kiloInterface: string;
  /** Not empty: only addresses inside count as internal. */
  readonly internalCidr: readonly Prefix[];
  /** The endpoint is the internal address, if there is one. */
  readonly prioritisePrivateAddresses: boolean;
}

export interface Discovery {
  readonly endpointIP: IP;
  /** With the prefix length it has on its interface. */
  readonly internalIP?: Prefix;
  /** Index of the interface that holds the internal address. */
  readonly privateInterface?: number;
}

/** The host has no address that a node could be reached at. */
export class DiscoveryError extends Error {
  override readonly name = "DiscoveryError";
}

/** Devices whose addresses are made by us or for pods: nobody reaches the node there. */
const SKIPPED = ["kube-bridge", "tunl0"];

/** Picks the addresses; throws {@link DiscoveryError} if there is none to pick. */
export function discover(host: HostView, options: DiscoveryOptions): Discovery {
  const candidates = candidatesOf(host, options.kiloInterface);
  const { internalCidr } = options;
  const internal = candidates.find(({ ip }) =>
    !isPublic(ip) && (internalCidr.length === 0 || internalCidr.some((cidr) => contains(cidr, ip)))
  );
  const external = candidates.find(({ ip }) => isPublic(ip)) ?? internal;
  if (!external) throw new DiscoveryError(explain(host, candidates));
  const endpoint = options.prioritisePrivateAddresses && internal ? internal : external;
  if (!internal) return { endpointIP: endpoint.ip };
  const privateInterface = interfaceHolding(internal.ip, host.interfaces)!;
  return { endpointIP: endpoint.ip, internalIP: internal, privateInterface };
}

/** Index of the first interface that has this address. */
export function interfaceHolding(
  ip: IP,
  interfaces: readonly HostInterface[],
): number | undefined {
  return interfaces.find(({ addresses }) => addresses.some((own) => equalIP(own.ip, ip)))?.index;
}

/** Addresses in the order in which they are preferred; some are there more than once. */
function candidatesOf(host: HostView, kiloInterface: string): Prefix[] {
  const skipped = new Set(
    host.interfaces
      .filter(({ name }) => name === kiloInterface || SKIPPED.includes(name))
      .flatMap(({ addresses }) => addresses)
      .flatMap((own) => [formatPrefix(own), formatPrefix(hostPrefix(own.ip))]),
  );
  const groups = [
    hostnameAddresses(host),
    host.interfaces.find(({ index }) => index === host.defaultDevice)?.addresses ?? [],
    host.interfaces.flatMap(({ addresses }) => addresses),
  ];
  return groups.flatMap((group) =>
    group
      .filter((own) => !isLocal(own.ip) && !skipped.has(formatPrefix(own)))
      .toSorted(byFamilyAndText)
  );
}

/** Those the host name resolves to, as the first interface in name order has them. */
function hostnameAddresses({ interfaces, hostnameIPs }: HostView): Prefix[] {
  const own = interfaces.toSorted((a, b) => a.name < b.name ? -1 : 1)
    .flatMap(({ addresses }) => addresses);
  return hostnameIPs
    .map((ip) => own.find((address) => equalIP(address.ip, ip)))
    .filter((address) => address !== undefined);
}

function byFamilyAndText(a: Prefix, b: Prefix): number {
  const [x, y] = [formatPrefix(a), formatPrefix(b)];
  return a.ip.family - b.ip.family || (x < y ? -1 : x > y ? 1 : 0);
}

/** Loopback, link-local unicast and link-local multicast, as Go's `net.IP` tells them. */
const LOCAL = ["127.0.0.0/8", "::1/128", "169.254.0.0/16", "fe80::/10", "224.0.0.0/24"]
  .map((text) => parsePrefix(text)!);

function isLocal(ip: IP): boolean {
  // ff?2::, whatever the flags: RFC 4291 §2.7
  return LOCAL.some((prefix) => contains(prefix, ip)) ||
    (ip.family === 6 && (ip.value >> 112n & 0xff0fn) === 0xff02n);
}

function explain({ hostnameIPs, defaultDevice }: HostView, candidates: readonly Prefix[]): string {
  if (candidates.length > 0) {
    const found = [...new Set(candidates.map(formatPrefix))].join(", ");
    return `no address to be reached at: of ${found} none is public or inside --internal-cidr`;
  }
  const name = hostnameIPs.length === 0
    ? "the host name resolves to nothing"
    : "the host name resolves to no usable address of this machine";
  const route = defaultDevice === "missing"
    ? "there is no default route"
    : defaultDevice === "multipath"
    ? "the default route has several devices"
    : "the default route's device has no usable address";
  return `no address to be reached at: ${name}, ${route}, and no other interface has one`;
}

/** The view of a host whose parts come from the kernel, addresses apart from links. */
export function viewHost(
  host: {
    /** By index. */
    readonly links: readonly { readonly index: number; readonly name: string }[];
    readonly addresses: readonly { readonly index: number; readonly prefix: Prefix }[];
    /** The one in force first. */
    readonly defaultRoutes: readonly { readonly oif: number | undefined }[];
  },
  hostnameIPs: readonly IP[],
): HostView {
  const addresses = Map.groupBy(host.addresses, ({ index }) => index);
  const [route] = host.defaultRoutes;
  return {
    interfaces: host.links.map(({ index, name }) => ({
      index,
      name,
      addresses: (addresses.get(index) ?? []).map(({ prefix }) => prefix),
    })),
    defaultDevice: route ? route.oif ?? "multipath" : "missing",
    hostnameIPs,
  };
}
