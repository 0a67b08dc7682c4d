/**
 * Which of the kernel's events have to do with the mesh. Beside it pods come and go all day, with
 * devices, addresses, routes and firewall rules of their own: none of that may cost anything.
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
import { concernsFirewall } from "./firewall/event.ts";
import { concernsRoutes } from "./routes.ts";
import { concernsRules } from "./rules.ts";

/** What the mesh is built on. */
export interface Stake {
  /** Names of the devices we use, or would use if they were there. */
  readonly names: ReadonlySet<string>;
  /** Indices of those that are there, and of those below them. */
  readonly devices: ReadonlySet<number>;
  /** Own addresses, on whatever device. */
  readonly addresses: readonly IP[];
  /** Would this node be reached at an address like this, if it had it? */
  readonly isWanted: (ip: IP) => boolean;
  /** Can this route of somebody else have taken the place of one of ours? Absent: it can. */
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
export function stakeIn(
  host: Host,
  own: OwnAddresses,
  { interfaceName }: { readonly interfaceName: string },
): Stake {
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

/** May these events have changed something we made, or build on? Without a stake all of them may. */
export function concernsMesh(
  { subsystem, messages, overflow }: KernelEvents,
  stake: Stake | undefined,
): boolean {
  if (overflow) return true;
  switch (subsystem) {
    case "link":
      return messages.some(understood((event) => !stake || concernsLinks(event, stake)));
    case "address":
      return messages.some(understood((event) => !stake || concernsAddresses(event, stake)));
    case "route":
      return messages.some(understood((event) => concernsRoutes(event, stake?.isRival)));
    case "rule":
      return messages.some(understood(concernsRules));
    case "nftables":
      return messages.some(understood(concernsFirewall));
  }
}

function concernsLinks(event: Message, { names, devices }: Stake): boolean {
  const link = parseLink(event);
  return link !== undefined && (names.has(link.name) || devices.has(link.index));
}

function concernsAddresses(event: Message, stake: Stake): boolean {
  const address = parseAddress(event);
  if (!address) return false;
  const { ip } = address.prefix;
  return stake.devices.has(address.index) || stake.addresses.some((own) => equalIP(own, ip)) ||
    isNetwork(address.prefix) || event.type === RTM_NEWADDR && stake.isWanted(ip);
}

/** Hosts keep what is on link, on whatever device; pods bring link-local addresses and single ones. */
function isNetwork({ ip, bits }: Prefix): boolean {
  return bits < width(ip.family) && !contains(LINK_LOCAL, ip);
}

const LINK_LOCAL = parsePrefix("fe80::/10")!;

/** What cannot be read may be anything. */
function understood(concerns: (event: Message) => boolean): (event: Message) => boolean {
  return (event) => {
    try {
      return concerns(event);
    } catch (error) {
      if (error instanceof MalformedError) return true;
      throw error;
    }
  };
}
