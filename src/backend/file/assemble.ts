/** From the contents of all files to the cluster they describe. */

import type { Node } from "../../mesh/node.ts";
import type { NodeObject, Strings } from "../../mesh/object.ts";
import type { Peer } from "../../mesh/peer.ts";
import { equalNodes, equalPeers } from "../../mesh/readiness.ts";
import { parseNode } from "../../mesh/read_node.ts";
import { quote } from "../../net/text.ts";
import type { Cluster, ClusterChange, Problem } from "../backend.ts";
import type { PathContent } from "./directory.ts";
import type { FileContent } from "./objects.ts";
import { withStatus } from "./status.ts";
import { warning } from "../../net/warning.ts";

export interface Files {
  /** In the order in which they count. */
  readonly manifests: readonly PathContent[];
  /** The annotations that a node's agent published. */
  readonly statusOf: (name: string) => Strings | undefined;
  /** What is wrong with the files, one by one. */
  readonly problems: readonly Problem[];
}

/** The cluster and, to spare doing it all again, what it was made of. */
export interface Assembled extends Cluster {
  readonly objects: Objects;
  readonly sources: ReadonlyMap<string, NodeSource>;
}

/** What the manifests hold, by name. */
interface Objects {
  readonly manifests: readonly PathContent[];
  readonly nodes: ReadonlyMap<string, NodeObject>;
  readonly peers: ReadonlyMap<string, Peer>;
  readonly problems: readonly Problem[];
}

interface NodeSource {
  readonly object: NodeObject;
  readonly status: Strings | undefined;
  readonly node: Node;
  readonly problems: readonly Problem[];
}

export const NOTHING: Assembled = {
  nodes: new Map(),
  peers: new Map(),
  problems: [],
  objects: { manifests: [], nodes: new Map(), peers: new Map(), problems: [] },
  sources: new Map(),
};

/** Builds the cluster, keeping every value of `last` that is still the same. */
export function assemble(
  files: Files,
  options: { readonly hostname: string; readonly topologyLabel: string; readonly last: Assembled },
): Assembled {
  const { hostname, topologyLabel, last } = options;
  const isSame = files.manifests === last.objects.manifests;
  const objects = isSame ? last.objects : collect(files.manifests, last.objects);
  const problems: Problem[] = [...files.problems, ...objects.problems];
  const sources = new Map<string, NodeSource>();
  const nodes = new Map<string, Node>();
  for (const [name, object] of objects.nodes) {
    const status = files.statusOf(name);
    const source = readSource({ object, status, topologyLabel, last: last.sources.get(name) });
    sources.set(name, source);
    nodes.set(name, source.node);
    problems.push(...source.problems);
  }
  const own = sources.get(hostname);
  return {
    nodes,
    peers: objects.peers,
    problems,
    objects,
    sources,
    ...(own && { own: withStatus(own.object, own.status).metadata.annotations ?? {} }),
  };
}

/** Of several files; every Peer of `last` that is still the same is kept. */
function collect(manifests: readonly PathContent[], last: Objects): Objects {
  const problems: Problem[] = [];
  const nodes = firstByName("Node", {
    ...{ manifests, problems },
    pick: (content) => content.nodes,
    nameOf: (node) => node.metadata.name,
  });
  const named = firstByName("Peer", {
    ...{ manifests, problems },
    pick: (content) => content.peers,
    nameOf: (peer) => peer.name,
  });
  const peers = new Map<string, Peer>();
  for (const [name, { peer }] of named) {
    const before = last.peers.get(name);
    if (peer) peers.set(name, before && equalPeers(before, peer) ? before : peer);
  }
  return { manifests, nodes, peers, problems };
}

/** Of objects with one name the first in the first file by name counts; the others are problems. */
function firstByName<T>(
  kind: string,
  { manifests, problems, pick, nameOf }: {
    manifests: readonly PathContent[];
    problems: Problem[];
    pick: (content: FileContent) => readonly T[];
    nameOf: (object: T) => string;
  },
): Map<string, T> {
  const values = new Map<string, T>();
  const paths = new Map<string, string>();
  for (const [path, content] of manifests) {
    for (const value of pick(content)) {
      const name = nameOf(value);
      const first = paths.get(name);
      if (first === undefined) {
        paths.set(name, path);
        values.set(name, value);
      } else {
        const where = first === path ? "stands there before" : `is in ${first}`;
        const text = `${path}: ${kind} ${quote(name)} ${where} already; ignored here`;
        problems.push(warning("duplicate", `${kind} ${quote(name)}`, text));
      }
    }
  }
  return values;
}

function readSource(
  { object, status, topologyLabel, last }: {
    object: NodeObject;
    status: Strings | undefined;
    topologyLabel: string;
    last: NodeSource | undefined;
  },
): NodeSource {
  if (last && last.object === object && last.status === status) return last;
  const { node, warnings } = parseNode(withStatus(object, status), { topologyLabel });
  const same = last && equalNodes(last.node, node) && last.node.lastSeen === node.lastSeen;
  return {
    object,
    status,
    node: same ? last.node : node,
    problems: warnings.map((text) => {
      const subject = `Node ${quote(node.name)}`;
      return warning("node", subject, `${subject}: ${text}`);
    }),
  };
}

/** What differs between two clusters; undefined if nothing that anybody could notice. */
export function changeOf(
  before: Cluster,
  after: Cluster,
  hostname: string,
): ClusterChange | undefined {
  const nodes = differing(before.nodes, after.nodes);
  const peers = differing(before.peers, after.peers);
  if (JSON.stringify(before.own) !== JSON.stringify(after.own) && !nodes.includes(hostname)) {
    nodes.push(hostname);
  }
  const sameProblems = before.problems.length === after.problems.length &&
    before.problems.every(({ text }, at) => text === after.problems[at]!.text);
  return nodes.length + peers.length === 0 && sameProblems ? undefined : { nodes, peers };
}

function differing<T>(before: ReadonlyMap<string, T>, after: ReadonlyMap<string, T>): string[] {
  if (before === after) return [];
  const names: string[] = [];
  for (const [name, value] of after) {
    if (before.get(name) !== value) names.push(name);
  }
  for (const name of before.keys()) {
    if (!after.has(name)) names.push(name);
  }
  return names;
}
