/** Packets between nodes of one segment: to which address, and whether through a tunnel. */

import { addToIP, type IP } from "../net/ip.ts";
import { contains, hostPrefix, type Prefix } from "../net/prefix.ts";
import type { Node } from "./node.ts";
import type { CompleteNode } from "./readiness.ts";

/** When packets inside a location are encapsulated; `crosssubnet`: only to other subnets. */
export type Strategy = "never" | "crosssubnet" | "always";

/** Who carries them: our own IPIP tunnel, or the network we are an add-on to. */
export type Encapsulator = "ipip" | "flannel" | "cilium";

export interface Encapsulation {
  readonly strategy: Strategy;
  readonly encapsulator: Encapsulator;
  /** Is there a tunnel device? Without one packets go as they are. */
  readonly tunnel: boolean;
  /** The address discovered on this host; without it there is nothing to encapsulate on. */
  readonly privateAddress?: Prefix;
}

/** The strategy that can be followed here. */
export function strategyOf({ strategy, tunnel, privateAddress }: Encapsulation): Strategy {
  return tunnel && privateAddress ? strategy : "never";
}

/** Where packets for a node of the own segment are sent. */
export function gatewayTo(node: CompleteNode, encapsulator: Encapsulator): IP | undefined {
  switch (encapsulator) {
    case "ipip":
      return node.internalIP?.ip;
    case "flannel":
      return node.subnet.ip;
    case "cilium":
      return node.cniCompatibilityIP?.ip ?? node.subnet.ip;
  }
}

/** Do packets from a node to that address enter the tunnel? */
export function isEncapsulated(
  to: IP,
  { from, strategy }: { readonly from: Node; readonly strategy: Strategy },
): boolean {
  switch (strategy) {
    case "never":
      return false;
    case "always":
      return true;
    case "crosssubnet":
      return from.internalIP === undefined || !contains(from.internalIP, to);
  }
}

/** The tunnel's own address, the first of the local pod subnet; IPIP has none but IPv4 ones. */
export function tunnelAddress(
  node: CompleteNode,
  encapsulation: Encapsulation,
): Prefix | undefined {
  if (encapsulation.encapsulator === "flannel" || strategyOf(encapsulation) === "never") {
    return undefined;
  }
  const first = addToIP(node.subnet.ip, 1);
  return first?.family === 4 ? hostPrefix(first) : undefined;
}
