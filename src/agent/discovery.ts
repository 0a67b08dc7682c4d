/** Which of its own addresses a node is reached at: from outside, and inside its location. */

import { equalIP, type IP, isPublic } from "../net/ip.ts";
import { contains, formatPrefix, hostPrefix, parsePrefix, type Prefix } from "../net/prefix.ts";
import type { Chosen } from "./chosen.ts";
import type { HostAddress, HostView } from "./host_view.ts";

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
  /** How little each is worth: 0 is an address as one wants it, `Infinity` none at all. */
  readonly flaws: { readonly endpoint: number; readonly internal: number };
}

/** The host has no address that a node could be reached at. */
export class DiscoveryError extends Error {
  override readonly name = "DiscoveryError";
}

/** Devices whose addresses are made by us or for pods: nobody reaches the node there. */
const SKIPPED = ["kube-bridge", "tunl0"];

interface Candidate extends HostAddress {
  readonly isTunnel: boolean;
}

/**
 * Picks the addresses; throws {@link DiscoveryError} if there is none to pick. A candidate of a
 * better class always comes first; inside a class the chosen one, then the order of candidates.
 */
export function discover(
  host: HostView,
  options: DiscoveryOptions,
  chosen: Chosen = {},
): Discovery {
  const candidates = candidatesOf(host, options.kiloInterface);
  const usable = candidates.filter(({ prefix }) =>
    isPublic(prefix.ip) || isInternal(prefix, options)
  );
  const internal = pick(internalCandidates(usable, options), internalClass, chosen.internalIP);
  const external = usable.filter(({ prefix }) => isPublic(prefix.ip));
  // A private endpoint is the internal address, and no other.
  const reachable = internal ? [...external, internal] : external;
  const endpoint = options.prioritisePrivateAddresses && internal
    ? internal
    : pick(reachable, endpointClass, chosen.endpointIP);
  if (!endpoint) throw new DiscoveryError(explain(host, candidates));
  return {
    endpointIP: endpoint.prefix.ip,
    ...internal && { internalIP: internal.prefix },
    flaws: {
      endpoint: flaws(endpoint, endpointClass(endpoint)),
      internal: internal ? flaws(internal, internalClass(internal)) : Infinity,
    },
  };
}

/**
 * Would an address like this, if the host had it, be chosen in place of what was found? Without
 * that any may be that one can be reached at.
 */
export function isWanted(ip: IP, found: Discovery | undefined): boolean {
  if (isLocal(ip)) return false;
  if (!found) return true;
  const { endpoint, internal } = found.flaws;
  return (isPublic(ip) ? endpoint : internal) >= FLAW_OF_CLASS;
}

/** Are there addresses that are worth less than those before? */
export function isWorse(now: Discovery, before: Discovery): boolean {
  return now.flaws.endpoint > before.flaws.endpoint || now.flaws.internal > before.flaws.internal;
}

/** A flaw that makes another class; lesser ones only set the order in which new ones are chosen. */
const FLAW_OF_CLASS = 2;

function flaws({ isFloating }: Candidate, classFlaws: number): number {
  return FLAW_OF_CLASS * classFlaws + Number(isFloating);
}

/** The lowest is the best. */
type Classify = (candidate: Candidate) => number;

const internalClass: Classify = ({ isTunnel, isExpired }) =>
  2 * Number(isTunnel) + Number(isExpired);

const endpointClass: Classify = ({ isTunnel, isExpired, prefix }) =>
  4 * Number(isTunnel) + 2 * Number(!isPublic(prefix.ip)) + Number(isExpired);

function pick(
  candidates: readonly Candidate[],
  classify: Classify,
  chosen: IP | undefined,
): Candidate | undefined {
  const best = Math.min(...candidates.map(classify));
  const equals = candidates.filter((candidate) => classify(candidate) === best);
  return equals.find(({ prefix }) => equalIP(prefix.ip, chosen)) ?? equals[0];
}

function isInternal({ ip }: Prefix, { internalCidr }: DiscoveryOptions): boolean {
  return !isPublic(ip) &&
    (internalCidr.length === 0 || internalCidr.some((cidr) => contains(cidr, ip)));
}

/** A tunnel's address is one where there is no other of any kind, or where people ask for it. */
function internalCandidates(
  usable: readonly Candidate[],
  options: DiscoveryOptions,
): readonly Candidate[] {
  const isTunnelled = options.internalCidr.length > 0 || usable.every(({ isTunnel }) => isTunnel);
  return usable.filter(({ prefix, isTunnel }) =>
    isInternal(prefix, options) && (isTunnelled || !isTunnel)
  );
}

/** Addresses in the order in which they are preferred; some are there more than once. */
function candidatesOf(host: HostView, kiloInterface: string): Candidate[] {
  const all = host.interfaces.map(({ index, name, isTunnel, addresses }) => ({
    index,
    name,
    candidates: addresses.map((address) => ({ ...address, isTunnel })),
  }));
  const skipped = new Set(
    all
      .filter(({ name }) => name === kiloInterface || SKIPPED.includes(name))
      .flatMap(({ candidates }) => candidates)
      .flatMap(({ prefix }) => [formatPrefix(prefix), formatPrefix(hostPrefix(prefix.ip))]),
  );
  const byName = all.toSorted((a, b) => a.name < b.name ? -1 : 1)
    .flatMap(({ candidates }) => candidates);
  const groups = [
    // Those the host name resolves to, as the first interface in name order has them.
    host.hostnameIPs.flatMap((ip) => byName.find(({ prefix }) => equalIP(prefix.ip, ip)) ?? []),
    all.find(({ index }) => index === host.defaultDevice)?.candidates ?? [],
    all.flatMap(({ candidates }) => candidates),
  ];
  return groups.flatMap((group) =>
    group
      .filter(({ prefix }) => !isLocal(prefix.ip) && !skipped.has(formatPrefix(prefix)))
      .toSorted(byPreference)
  );
}

/**
 * Addresses that stay where they are first, then IPv4; among those a network before a single
 * address, permanent ones, and the text. That an IPv4 address is leased does not make a node IPv6.
 */
function byPreference(a: Candidate, b: Candidate): number {
  const [x, y] = [formatPrefix(a.prefix), formatPrefix(b.prefix)];
  return Number(a.isFloating) - Number(b.isFloating) ||
    a.prefix.ip.family - b.prefix.ip.family ||
    Number(b.hasNeighbours) - Number(a.hasNeighbours) ||
    Number(b.isPermanent) - Number(a.isPermanent) ||
    (x < y ? -1 : x > y ? 1 : 0);
}

/** Loopback, link-local unicast and link-local multicast, as Go's `net.IP` tells them. */
const LOCAL = ["127.0.0.0/8", "::1/128", "169.254.0.0/16", "fe80::/10", "224.0.0.0/24"]
  .map((text) => parsePrefix(text)!);

function isLocal(ip: IP): boolean {
  // ff?2::, whatever the flags: RFC 4291 §2.7
  return LOCAL.some((prefix) => contains(prefix, ip)) ||
    (ip.family === 6 && (ip.value >> 112n & 0xff0fn) === 0xff02n);
}

function explain(
  { hostnameIPs, defaultDevice }: HostView,
  candidates: readonly Candidate[],
): string {
  if (candidates.length > 0) {
    const found = [...new Set(candidates.map(({ prefix }) => formatPrefix(prefix)))].join(", ");
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
