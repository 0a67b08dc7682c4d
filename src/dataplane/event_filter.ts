/**
 * Which of the kernel's events affect the mesh. Pods come and go all day, with devices, addresses,
 * routes and firewall rules of their own: such events must cost nothing.
 */

import { equalIP, type IP, width } from "../net/ip.ts";
import { contains, parsePrefix, type Prefix } from "../net/prefix.ts";
import { parseAddress, RTM_NEWADDR } from "../netlink/address.ts";
import { MalformedError } from "../netlink/error.ts";
import type { KernelEvents } from "../netlink/events.ts";
import { parseLink } from "../netlink/link.ts";
import type { Message } from "../netlink/message.ts";
import type { RouteEntry } from "../netlink/route.ts";
import type { Host } from "./host.ts";
import { TUNNEL_DEVICES } from "./tunnel.ts";
import { affectsFirewall } from "./firewall/event.ts";
import { affectsRoutes } from "./routes.ts";
import { affectsRules } from "./rules.ts";

/** The devices and addresses that the mesh depends on. */
export interface EventFilter {
  /** Names of the devices we use, whether they exist or not. */
  readonly names: ReadonlySet<string>;
  /** Indices of the existing ones, and of the devices below them. */
  readonly devices: ReadonlySet<number>;
  /** Own addresses, on whatever device. */
  readonly addresses: readonly IP[];
  /** Would this node be reached at an address like this, if it had it? */
  readonly isWanted: (ip: IP) => boolean;
  /** Can this route of another program have replaced one of ours? Absent: yes. */
  readonly isRival?: (route: RouteEntry) => boolean;
}

/** At which addresses this node is reached, or is to be. */
export interface OwnAddresses {
  readonly privateAddress: IP | undefined;
  readonly endpoint?: IP | undefined;
  /** The address that routes prefer. */
  readonly source?: IP | undefined;
  /** Would another one be chosen, if the host had it? */
  readonly isWanted?: (ip: IP) => boolean;
}

/** Our devices, those that hold the addresses, and that of the default route. */
export function eventFilter(
  host: Host,
  own: OwnAddresses,
  { interfaceName }: { readonly interfaceName: string },
): EventFilter {
  const { privateAddress, endpoint, source, isWanted = () => false } = own;
  const names = new Set([interfaceName, ...TUNNEL_DEVICES]);
  const holders = [privateAddress, endpoint].map((ip) => ip && host.holderOf(ip));
  const ours = host.links.filter(({ name }) => names.has(name));
  return {
    names,
    devices: new Set([...ours, host.underlay, ...holders].flatMap((link) => link?.index ?? [])),
    addresses: [privateAddress, endpoint, source].filter((ip) => ip !== undefined),
    isWanted,
  };
}

/** May these events have changed something we made, or build on? Without a filter all of them may. */
export function affectsMesh(
  { kind, messages, overflow }: KernelEvents,
  filter: EventFilter | undefined,
): boolean {
  if (overflow) return true;
  switch (kind) {
    case "link":
      return messages.some(understood((event) => !filter || affectsLinks(event, filter)));
    case "address":
      return messages.some(understood((event) => !filter || affectsAddresses(event, filter)));
    case "route":
      return messages.some(understood((event) => affectsRoutes(event, filter?.isRival)));
    case "rule":
      return messages.some(understood(affectsRules));
    case "nftables":
      return messages.some(understood(affectsFirewall));
  }
}

function affectsLinks(event: Message, { names, devices }: EventFilter): boolean {
  const link = parseLink(event);
  return link !== undefined && (names.has(link.name) || devices.has(link.index));
}

function affectsAddresses(event: Message, filter: EventFilter): boolean {
  const address = parseAddress(event);
  if (!address) return false;
  const { ip } = address.prefix;
  return filter.devices.has(address.index) || filter.addresses.some((own) => equalIP(own, ip)) ||
    isNetwork(address.prefix) || event.type === RTM_NEWADDR && filter.isWanted(ip);
}

/** Hosts keep what is on link, on whatever device; pods bring link-local addresses and single ones. */
function isNetwork({ ip, bits }: Prefix): boolean {
  return bits < width(ip.family) && !contains(LINK_LOCAL, ip);
}

const LINK_LOCAL = parsePrefix("fe80::/10")!;

/** An event that cannot be read may affect the mesh. */
function understood(affects: (event: Message) => boolean): (event: Message) => boolean {
  return (event) => {
    try {
      return affects(event);
    } catch (error) {
      if (error instanceof MalformedError) return true;
      throw error;
    }
  };
}
