/** The mesh as a drawing in Graphviz' DOT language. */

import { formatEndpoint } from "../net/endpoint.ts";
import { formatIP } from "../net/ip.ts";
import { formatPrefix } from "../net/prefix.ts";
import { compareText } from "../net/text.ts";
import type { Peer } from "./peer.ts";
import type { CompleteNode } from "./readiness.ts";
import type { Segment, Topology } from "./topology.ts";

/** Who talks to whom, then a cluster for each segment and one for the Peers. */
export function graph({ subnet, segments, peers }: Topology): string {
  const clusters = segments.map((segment) => ({
    id: quote(`cluster_location_${segment.location}`),
    label: segment.location,
    members: segment.nodes.map((node) => nodeText(node, segment)),
  })).sort((a, b) => compareText(a.id, b.id));
  clusters.push({ id: '"cluster_peers"', label: "peers", members: peers.map(peerText) });
  return [
    "digraph kilo {",
    `\tlabel=${quote(formatPrefix(subnet))};`,
    "\tlabelloc=t;",
    "\toutputorder=nodesfirst;",
    "\toverlap=false;",
    ...edges(segments, peers),
    ...clusters.map(clusterText),
    "",
    "}",
    "",
  ].join("\n");
}

/** How many edges {@link graph} draws: many more than there are nodes. */
export function edgeCount({ segments, peers }: Topology): number {
  const leaders = segments.length;
  const followers = segments.reduce((sum, { nodes }) => sum + nodes.length - 1, 0);
  return followers + leaders * (leaders - 1) / 2 + leaders * peers.length;
}

/** Each leader to its own nodes, then the leaders to each other, then each leader to the Peers. */
function* edges(segments: readonly Segment[], peers: readonly Peer[]): Generator<string> {
  const leaders = segments.map((segment) => quote(segment.leader.name));
  for (const [index, { leader, nodes }] of segments.entries()) {
    for (const node of nodes) {
      if (node !== leader) yield `\t${leaders[index]}->${quote(node.name)}[ dir=both ];`;
    }
  }
  for (const [index, leader] of leaders.entries()) {
    for (const other of leaders.slice(index + 1)) yield `\t${leader}->${other}[ dir=both ];`;
  }
  for (const leader of leaders) {
    for (const { name } of peers) {
      yield `\t${leader}->${quote(name)}[ dir=both, style=dashed ];`;
    }
  }
}

function clusterText(
  { id, label, members }: { id: string; label: string; members: readonly string[] },
): string {
  return [
    `\tsubgraph ${id} {`,
    `\tlabel=${quote(label)};`,
    '\tstyle="dashed,rounded";',
    ...members,
    "",
    "}",
    ";",
  ].join("\n");
}

function nodeText(
  node: CompleteNode,
  { location, leader, wireGuardIP }: Segment,
): string {
  const lines = [location, node.name, formatPrefix(node.subnet)];
  if (node.internalIP) lines.push(formatIP(node.internalIP.ip));
  if (node !== leader) return `\t${quote(node.name)} [ label=${quote(...lines)}, shape=ellipse ];`;
  lines.push(formatIP(wireGuardIP), formatEndpoint(leader.endpoint));
  return `\t${quote(node.name)} [ label=${quote(...lines)}, rank=1, shape=ellipse ];`;
}

function peerText({ name, endpoint }: Peer): string {
  const lines = quote(name, endpoint ? `${formatEndpoint(endpoint)}\n` : "\n");
  return `\t${quote(name)} [ label=${lines}, shape=ellipse ];`;
}

/** A quoted string of centred lines. */
function quote(...lines: readonly string[]): string {
  return `"${lines.map((line) => line.replace(/["\\]/g, "\\$&")).join("\\n")}"`;
}
