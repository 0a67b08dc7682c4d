/** From which address this host's packets to its location come: neighbours' firewalls ask. */

import type { HostDevices } from "../dataplane/dataplane.ts";
import type { Host } from "../dataplane/host.ts";
import type { Encapsulator } from "../mesh/encapsulation.ts";
import type { Node } from "../mesh/node.ts";
import { equalIP, formatIP, type IP } from "../net/ip.ts";
import { formatPrefix } from "../net/prefix.ts";
import { compareText } from "../net/text.ts";
import { type Warning, warning } from "../net/warning.ts";

/** What is known of the sender. */
export interface Sender {
  /** As the others see it. */
  readonly local: Node;
  /** The other nodes of the mesh, in no order. */
  readonly nodes: Iterable<Node>;
  /** The private address found on this host. */
  readonly discovered: IP | undefined;
  readonly encapsulator: Encapsulator;
  readonly hostDevices: HostDevices;
}

/**
 * The address, if it is not the internal one; where there is no IPIP only if that is on no interface.
 * The kernel chooses it for each destination; that for the first neighbour by name stands for all.
 * Where there is none it is the address discovered.
 */
export function packetSource(host: Host, sender: Sender): IP | undefined {
  const { local: { internalIP }, discovered, encapsulator, hostDevices } = sender;
  const isIPIP = encapsulator !== "flannel" && hostDevices.tunnel?.state === "ready";
  if (!internalIP || hostDevices.hasSource && !isIPIP) return undefined;
  const neighbour = firstNeighbour(sender);
  const way = neighbour && host.wayTo(neighbour);
  // Through the mesh nothing is encapsulated.
  const isOutside = way !== undefined && way.oif !== hostDevices.kilo?.index;
  const source = isOutside ? way.source : hostDevices.hasSource ? undefined : discovered;
  return equalIP(source, internalIP.ip) ? undefined : source;
}

function firstNeighbour({ local, nodes }: Sender): IP | undefined {
  const { location, internalIP } = local;
  let first: Node | undefined;
  for (const node of nodes) {
    const ip = node.internalIP?.ip;
    if (node.location !== location || !ip || ip.family !== internalIP?.ip.family) continue;
    if (equalIP(ip, internalIP.ip)) continue;
    if (!first || compareText(node.name, first.name) < 0) first = node;
  }
  return first?.internalIP?.ip;
}

/** What is to be text where it is not, or may not be, the internal address. */
export function sourceWarnings(
  { local: { name, internalIP }, hostDevices }: Sender,
  source: IP | undefined,
): readonly Warning[] {
  if (!internalIP || hostDevices.hasSource && !source) return [];
  const own = formatPrefix(internalIP);
  const text = source
    ? `packets to its location, IPIP too, are sent from ${
      formatIP(source)
    }, which is published as ` +
      "encapsulation-ip for the nodes there; original agents do not accept it"
    : "nobody knows from which address packets to its location are sent";
  return hostDevices.hasSource
    ? [warning("encapsulation", `node ${name}`, `the internal address is ${own}, but ${text}`)]
    : [warning(
      "address",
      `node ${name}`,
      `no interface has the internal address ${own}: routes are without a preferred source, and ${text}`,
    )];
}
