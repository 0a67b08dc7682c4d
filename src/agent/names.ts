/** Endpoints with DNS names get their addresses before the mesh is computed from them. */

import type { Endpoint } from "../net/endpoint.ts";
import type { Granularity } from "../mesh/node.ts";
import type { Peer } from "../mesh/peer.ts";
import type { CompleteNode } from "../mesh/readiness.ts";
import { locationOf } from "../mesh/topology.ts";
import type { Resolver } from "./resolver.ts";

export interface Resolved {
  readonly nodes: readonly CompleteNode[];
  readonly peers: readonly Peer[];
  /** Names of which nothing is known, and on which it depends who leads a location. */
  readonly undecided: readonly string[];
}

/**
 * Fills in what the resolver knows and has it look up the rest. A target whose name is not known
 * has no endpoint; but among several nodes of a location all agents must elect the same leader, so
 * there a name that was never resolved leaves the election undecided.
 */
export function resolveEndpoints(
  { nodes, peers }: { readonly nodes: Iterable<CompleteNode>; readonly peers: Iterable<Peer> },
  { resolver, granularity }: { readonly resolver: Resolver; readonly granularity: Granularity },
): Resolved {
  const targets = { nodes: [...nodes], peers: [...peers] };
  resolver.want(
    [...targets.nodes, ...targets.peers].flatMap(({ endpoint }) => endpoint?.dns ?? []),
  );
  const resolved = withAddresses(targets, resolver);
  return { ...resolved, undecided: undecidedNames(resolved.nodes, granularity) };
}

/** Fills in what the resolver knows, and leaves the rest as it is. */
export function withAddresses(
  { nodes, peers }: {
    readonly nodes: readonly CompleteNode[];
    readonly peers: readonly Peer[];
  },
  resolver: Resolver,
): Pick<Resolved, "nodes" | "peers"> {
  const resolve = (endpoint: Endpoint): Endpoint => {
    const { dns } = endpoint;
    const ip = dns === undefined ? undefined : resolver.address(dns);
    if (dns === undefined || !ip) return endpoint;
    const alternative = resolver.alternative(dns);
    return { ...endpoint, ip, ...alternative && { alternative } };
  };
  return {
    nodes: nodes.map((node) =>
      node.endpoint.dns === undefined ? node : { ...node, endpoint: resolve(node.endpoint) }
    ),
    peers: peers.map((peer) =>
      peer.endpoint?.dns === undefined ? peer : { ...peer, endpoint: resolve(peer.endpoint) }
    ),
  };
}

function undecidedNames(nodes: readonly CompleteNode[], granularity: Granularity): string[] {
  const unknown = nodes.filter(({ endpoint }) => endpoint.ip === undefined);
  if (unknown.length === 0) return [];
  const sizes = new Map<string, number>();
  for (const node of nodes) {
    const location = locationOf(node, granularity);
    sizes.set(location, (sizes.get(location) ?? 0) + 1);
  }
  return unknown
    .filter((node) => sizes.get(locationOf(node, granularity))! > 1)
    .map(({ endpoint }) => endpoint.dns!);
}
