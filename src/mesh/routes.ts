/** Which routes and policy rules a node needs, leader or not. */

import { equalIP, type IP } from "../net/ip.ts";
import { hostPrefix, type Prefix } from "../net/prefix.ts";
import { type Claim, KILO_TABLE, type Route, type Rule } from "../net/route.ts";
import { type Encapsulation, gatewayTo, isEncapsulated, strategyOf } from "./encapsulation.ts";
import type { Node } from "./node.ts";
import type { CompleteNode } from "./readiness.ts";
import type { Segment, Topology } from "./topology.ts";
import type { UsedEndpoints } from "./used_endpoints.ts";
import { type Warning, warning } from "../net/warning.ts";

export interface RouteSettings extends Encapsulation {
  /** Are the routes inside the location ours to set? */
  readonly local: boolean;
  /** This host has not got its internal address: the kernel would refuse routes that prefer it. */
  readonly lacksSource?: boolean;
  /** Where the device sends to, where that is not the endpoint of the mesh as everybody computes it. */
  readonly usedEndpoints?: UsedEndpoints;
}

export interface Routing {
  /** Destinations may carry host bits; of two to the same network the later counts. */
  readonly routes: readonly Route[];
  readonly rules: readonly Rule[];
  readonly warnings: readonly Warning[];
}

/** How a destination is reached. */
type Via = Omit<Route, "dst" | "claim">;

/** A node with neighbours: how it can reach them. */
interface Here extends RouteSettings {
  readonly node: CompleteNode;
  /** Its internal address. */
  readonly source: IP;
}

export function routing(topology: Topology, settings: RouteSettings): Routing {
  const routing = routingFrom(topology, settings);
  if (!settings.lacksSource) return routing;
  return { ...routing, routes: routing.routes.map(({ source: _, ...route }) => route) };
}

function routingFrom(topology: Topology, settings: RouteSettings): Routing {
  const { local: node, localSegment, isLeader } = topology;
  const { usedEndpoints } = settings;
  const source = settings.privateAddress && node.internalIP?.ip;
  if (!source) {
    const text = `node ${node.name} has no interface with an internal address: ` +
      "there are no routes inside its location";
    return {
      routes: isLeader ? leaderRoutes(topology, { usedEndpoints }) : [],
      rules: [],
      warnings: localSegment.nodes.length > 1
        ? [warning("address", `node ${node.name}`, text)]
        : [],
    };
  }
  const here: Here = { ...settings, strategy: strategyOf(settings), node, source };
  const { routes, rules } = neighbourRouting(topology, here);
  const outside = isLeader
    ? leaderRoutes(topology, { source, usedEndpoints })
    : followerRoutes(topology, here);
  return { routes: [...routes, ...outside], rules, warnings: [] };
}

/** To the other nodes of the own segment. */
function neighbourRouting(
  { localSegment, isLeader }: Topology,
  here: Here,
): Omit<Routing, "warnings"> {
  const { node, source, strategy, encapsulator } = here;
  const routes: Route[] = [];
  const rules: Rule[] = [];
  for (const neighbour of localSegment.nodes) {
    const address = neighbour.internalIP?.ip;
    const gateway = gatewayTo(neighbour, encapsulator);
    if (!address || !gateway || equalIP(address, source)) continue;
    const dst = hostPrefix(address);
    const tunnel = { dst, gateway, device: "tunnel", table: KILO_TABLE, onlink: true } as const;
    const fromMesh = { dst, iif: "kilo", table: KILO_TABLE } as const;
    if (here.local) {
      routes.push({
        dst: neighbour.subnet,
        ...inside(gateway, here),
        claim: claimOf(neighbour, "subnet"),
      });
      if (!isEncapsulated(address, { from: node, strategy })) continue;
      routes.push({ ...tunnel, source });
      rules.push({ src: node.subnet, dst, table: KILO_TABLE });
      if (isLeader) rules.push(fromMesh);
    } else if (isLeader && strategy !== "never" && !equalIP(gateway, address)) {
      routes.push(tunnel);
      rules.push(fromMesh);
    }
  }
  return { routes, rules };
}

/** Through the leader of the own segment: all that lies beyond it. */
function followerRoutes({ localSegment, segments, peers }: Topology, here: Here): Route[] {
  const gateway = gatewayTo(localSegment.leader, here.encapsulator);
  if (!gateway) return [];
  const via = inside(gateway, here);
  const routes: Route[] = [];
  const add = (dst: Prefix, claim: Claim) => routes.push({ dst, ...via, claim });
  for (const segment of segments) {
    if (segment !== localSegment) {
      for (const node of segment.nodes) {
        add(node.subnet, claimOf(node, "subnet"));
        if (node.internalIP) add(hostPrefix(node.internalIP.ip), claimOf(node, "internal"));
      }
    }
    add(hostPrefix(segment.wireGuardIP), claimOf(segment.leader, "wireguard"));
    if (segment === localSegment) continue;
    for (const dst of segment.allowedLocationIPs) add(dst, locationClaim(segment, dst));
  }
  for (const peer of peers) {
    const claim: Claim = { kind: "peer", owner: `Peer ${peer.name}` };
    for (const dst of peer.allowedIPs) add(dst, claim);
  }
  return routes;
}

/** Via an address inside the location, in the tunnel or not. */
function inside(gateway: IP, { node, source, strategy }: Here): Via {
  return isEncapsulated(gateway, { from: node, strategy })
    ? { gateway, device: "tunnel", source, onlink: true }
    : { gateway, device: "private", onlink: true };
}

/** Through the WireGuard interface: other segments and Peers. */
function leaderRoutes(
  topology: Topology,
  { source, usedEndpoints }: {
    readonly source?: IP;
    readonly usedEndpoints: UsedEndpoints | undefined;
  },
): Route[] {
  const { localSegment, segments, peers } = topology;
  const from = source && { source };
  const routes: Route[] = [];
  for (const segment of segments) {
    if (segment === localSegment) continue;
    const via: Via = { gateway: segment.wireGuardIP, device: "kilo", ...from, onlink: true };
    const farEnd = usedEndpoints?.get(segment.leader.key) ?? segment.endpoint.ip;
    for (const node of segment.nodes) {
      routes.push({ dst: node.subnet, ...via, claim: claimOf(node, "subnet") });
      const address = node.internalIP?.ip;
      // The way to the tunnel's far end must not lead through the tunnel.
      if (!address || equalIP(address, farEnd)) continue;
      routes.push({ dst: hostPrefix(address), ...via, claim: claimOf(node, "internal") });
    }
    for (const dst of segment.allowedLocationIPs) {
      routes.push({ dst, ...via, claim: locationClaim(segment, dst) });
    }
  }
  const direct: Via = { device: "kilo", ...from, onlink: false };
  for (const peer of peers) {
    const claim: Claim = { kind: "peer", owner: `Peer ${peer.name}` };
    for (const dst of peer.allowedIPs) routes.push({ dst, ...direct, claim });
  }
  return routes;
}

function claimOf({ name }: Node, kind: Claim["kind"]): Claim {
  return { kind, owner: `node ${name}` };
}

/** Of several nodes that declare the same, the one whose prefix the segment has. */
function locationClaim({ nodes, leader }: Segment, prefix: Prefix): Claim {
  const node = nodes.find(({ allowedLocationIPs }) => allowedLocationIPs.includes(prefix));
  return claimOf(node ?? leader, "location");
}
