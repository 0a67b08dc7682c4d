/**
 * Which of the kernel's events have to do with the mesh. Beside it pods come and go all day, with
 * devices, addresses, routes and firewall rules of their own: none of that may cost anything.
 */

import { equalIP, type IP } from "../net/ip.ts";
import { parseAddress } from "../netlink/address.ts";
import { MalformedError } from "../netlink/error.ts";
import type { KernelEvents } from "../netlink/events.ts";
import { parseLink } from "../netlink/link.ts";
import type { Message } from "../netlink/message.ts";
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
      return messages.some(understood(concernsRoutes));
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

function concernsAddresses(event: Message, { devices, addresses }: Stake): boolean {
  const address = parseAddress(event);
  return address !== undefined &&
    (devices.has(address.index) || addresses.some((ip) => equalIP(ip, address.prefix.ip)));
}

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
