/** Which routes and policy rules a node needs, leader or not. */

import { equalIP, type IP } from "../net/ip.ts";
import { hostPrefix, type Prefix } from "../net/prefix.ts";
import { KILO_TABLE, type Route, type Rule } from "../net/route.ts";
import { type Encapsulation, gatewayTo, isEncapsulated, strategyOf } from "./encapsulation.ts";
import type { CompleteNode } from "./readiness.ts";
import type { Topology } from "./topology.ts";

export interface RouteSettings extends Encapsulation {
  /** Are the routes inside the location ours to set? */
  readonly local: boolean;
}

export interface Routing {
  /** Destinations may carry host bits; of two to the same network the later counts. */
  readonly routes: readonly Route[];
  readonly rules: readonly Rule[];
  readonly warnings: readonly string[];
}

/** How a destination is reached. */
type Via = Omit<Route, "dst">;

export function routing(topology: Topology, settings: RouteSettings): Routing {
  const { local, localSegment, isLeader } = topology;
  if (local.internalIP && !settings.privateAddress) {
    const alone = localSegment.nodes.length === 1;
    return {
      routes: isLeader ? leaderRoutes(topology, undefined) : [],
      rules: [],
      warnings: alone ? [] : [
        `no interface has an internal address of node ${local.name}: no routes inside its location`,
      ],
    };
  }
  const source = local.internalIP?.ip;
  const inside = source ? insideRouting(topology, { ...settings, source }) : NOTHING;
  const outside = isLeader ? leaderRoutes(topology, source) : followerRoutes(topology, settings);
  return { routes: [...inside.routes, ...outside], rules: inside.rules, warnings: [] };
}

const NOTHING: Omit<Routing, "warnings"> = { routes: [], rules: [] };

/** To the other nodes of the own segment. */
function insideRouting(
  topology: Topology,
  settings: RouteSettings & { readonly source: IP },
): Omit<Routing, "warnings"> {
  const { local, localSegment, isLeader } = topology;
  const { source, encapsulator } = settings;
  const strategy = strategyOf(settings);
  const routes: Route[] = [];
  const rules: Rule[] = [];
  for (const node of localSegment.nodes) {
    const address = node.internalIP?.ip;
    const gateway = gatewayTo(node, encapsulator);
    if (!address || !gateway || equalIP(address, source)) continue;
    const dst = hostPrefix(address);
    const tunnel = { dst, gateway, device: "tunnel", table: KILO_TABLE, onlink: true } as const;
    const fromMesh = { dst, iif: "kilo", table: KILO_TABLE } as const;
    if (settings.local) {
      routes.push({ dst: node.subnet, ...inside(gateway, local, settings) });
      if (!isEncapsulated(address, local, strategy)) continue;
      routes.push({ ...tunnel, source });
      rules.push({ src: local.subnet, dst, table: KILO_TABLE });
      if (isLeader) rules.push(fromMesh);
    } else if (isLeader && strategy !== "never" && !equalIP(gateway, address)) {
      routes.push(tunnel);
      rules.push(fromMesh);
    }
  }
  return { routes, rules };
}

/** Through the leader of the own segment: all that lies beyond it. */
function followerRoutes(topology: Topology, settings: RouteSettings): Route[] {
  const { local, localSegment, segments, peers } = topology;
  const gateway = gatewayTo(localSegment.leader, settings.encapsulator);
  if (!gateway) return [];
  const via = inside(gateway, local, settings);
  const routes: Route[] = [];
  const add = (dst: Prefix) => routes.push({ dst, ...via });
  for (const segment of segments) {
    if (segment === localSegment) add(hostPrefix(segment.wireGuardIP));
    else segment.allowedIPs.forEach(add);
    if (segment !== localSegment) segment.allowedLocationIPs.forEach(add);
  }
  for (const peer of peers) peer.allowedIPs.forEach(add);
  return routes;
}

/** Through the WireGuard interface: other segments and Peers. */
function leaderRoutes(topology: Topology, source: IP | undefined): Route[] {
  const { localSegment, segments, peers } = topology;
  const from = source && { source };
  const routes: Route[] = [];
  for (const segment of segments) {
    if (segment === localSegment) continue;
    const via: Via = { gateway: segment.wireGuardIP, device: "kilo", ...from, onlink: true };
    for (const node of segment.nodes) {
      routes.push({ dst: node.subnet, ...via });
      const address = node.internalIP?.ip;
      // The way to the tunnel's far end must not lead through the tunnel.
      if (!address || equalIP(address, segment.endpoint.ip)) continue;
      routes.push({ dst: hostPrefix(address), ...via });
    }
    for (const dst of segment.allowedLocationIPs) routes.push({ dst, ...via });
  }
  const direct: Via = { device: "kilo", ...from, onlink: false };
  for (const peer of peers) {
    for (const dst of peer.allowedIPs) routes.push({ dst, ...direct });
  }
  return routes;
}

/** Via an address inside the location, in the tunnel or not. */
function inside(gateway: IP, local: CompleteNode, settings: Encapsulation): Via {
  if (!local.internalIP || !isEncapsulated(gateway, local, strategyOf(settings))) {
    return { gateway, device: "private", onlink: true };
  }
  return { gateway, device: "tunnel", source: local.internalIP.ip, onlink: true };
}
