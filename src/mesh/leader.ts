/** Which node of a segment holds its WireGuard interface. */

import { isPublic } from "../net/ip.ts";
import type { Node } from "./node.ts";

/**
 * The leader among nodes in name order: who asked to lead comes before who did not, then who is
 * publicly reachable. Every agent must come to the same answer. A name without a resolved address
 * counts as not public.
 */
export function electLeader<N extends Node>(nodes: readonly [N, ...N[]]): N {
  const willing = nodes.filter((node) => node.leader);
  return willing.find(hasPublicEndpoint) ?? willing[0] ??
    nodes.find(hasPublicEndpoint) ?? nodes[0];
}

function hasPublicEndpoint(node: Node): boolean {
  return node.endpoint?.ip !== undefined && isPublic(node.endpoint.ip);
}
