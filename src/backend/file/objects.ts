/** The objects of one manifest file as values. What is not read is not kept. */

import {
  asNodeObject,
  asPeerObject,
  type NodeObject,
  ObjectShapeError,
  ourAnnotations,
  PEER_API_VERSION,
} from "../../mesh/object.ts";
import type { Peer } from "../../mesh/peer.ts";
import { InvalidPeerError, parsePeer } from "../../mesh/read_peer.ts";
import { quote } from "../../net/text.ts";
import type { Problem } from "../backend.ts";
import { type ManifestObject, parseManifest } from "./manifest.ts";
import { warning } from "../../net/warning.ts";

export interface FileContent {
  /** Only what a Node's value depends on, since annotations from elsewhere are laid over it. */
  readonly nodes: readonly NodeObject[];
  /** An invalid Peer keeps its name taken, without a value. */
  readonly peers: readonly NamedPeer[];
  readonly problems: readonly Problem[];
}

interface NamedPeer {
  readonly name: string;
  readonly peer: Peer | undefined;
}

/**
 * Reads a file's text; throws ManifestError if it is broken as a whole. A misshapen Node counts as
 * it was in `last`, what the file held before.
 */
export function readContent(
  text: string,
  options: {
    readonly path: string;
    readonly topologyLabel: string;
    readonly last: FileContent | undefined;
  },
): FileContent {
  const { path, topologyLabel, last } = options;
  const nodes: NodeObject[] = [], peers: NamedPeer[] = [], problems: Problem[] = [];
  const ignored = new Set<string>();
  for (const object of parseManifest(text, path.endsWith(".json") ? "json" : "yaml")) {
    const kind = kindOf(object);
    const about = () => `${path}: ${object.kind} ${quote(nameOf(object.value))}`;
    if (kind === "Node") {
      const { node, problem } = readNode(object.value, { about, topologyLabel, last });
      if (node) nodes.push(node);
      if (problem) problems.push(problem);
    } else if (kind === "Peer") {
      const read = readPeer(object.value, about);
      peers.push(read);
      problems.push(...read.problems);
    } else if (!ignored.has(object.kind)) {
      ignored.add(object.kind);
      const text = `${path}: objects of kind ${quote(object.kind)} are ignored`;
      problems.push(warning("backend", path, text));
    }
  }
  return { nodes, peers, problems };
}

/** Which of the two lists an object belongs to; its API version may be left out. */
function kindOf({ kind, apiVersion }: ManifestObject): "Node" | "Peer" | undefined {
  if (kind === "Node" && (apiVersion ?? "v1") === "v1") return "Node";
  if (kind === "Peer" && (apiVersion ?? PEER_API_VERSION) === PEER_API_VERSION) return "Peer";
  return undefined;
}

function readNode(
  value: unknown,
  { about, topologyLabel, last }: {
    about: () => string;
    topologyLabel: string;
    last: FileContent | undefined;
  },
): { node: NodeObject | undefined; problem?: Problem } {
  try {
    const object = asNodeObject(value);
    checkName(object.metadata.name);
    return { node: slim(object, topologyLabel) };
  } catch (error) {
    if (!(error instanceof ObjectShapeError)) throw error;
    const node = last?.nodes.find(({ metadata }) => metadata.name === nameOf(value));
    const outcome = node ? "it stays as it was" : "it is ignored";
    const text = `${about()}: ${error.message}; ${outcome}`;
    return { node, problem: warning("node", about(), text) };
  }
}

function readPeer(value: unknown, about: () => string): NamedPeer & { problems: Problem[] } {
  try {
    const object = asPeerObject(value);
    checkName(object.metadata.name);
    const { peer, warnings } = parsePeer(object);
    return {
      name: peer.name,
      peer,
      problems: warnings.map((text) => warning("peer", about(), `${about()}: ${text}`)),
    };
  } catch (error) {
    if (!(error instanceof ObjectShapeError || error instanceof InvalidPeerError)) throw error;
    const text = `${about()} is ignored: ${error.message}`;
    const problem: Problem = { ...warning("peer", about(), text), event: "peer" };
    return { name: nameOf(value), peer: undefined, problems: [problem] };
  }
}

/** As Kubernetes checks names that become part of a path. */
function checkName(name: string): void {
  if (name !== "." && name !== ".." && !/[/%]/.test(name)) return;
  throw new ObjectShapeError('metadata.name is "." or ".." or has a slash or percent sign');
}

function nameOf(value: unknown): string {
  const { metadata } = (value ?? {}) as { metadata?: { name?: unknown } | null };
  return typeof metadata?.name === "string" ? metadata.name : "";
}

function slim(object: NodeObject, topologyLabel: string): NodeObject {
  const { name, labels, annotations, creationTimestamp } = object.metadata;
  const location = labels && Object.hasOwn(labels, topologyLabel)
    ? labels[topologyLabel]
    : undefined;
  return {
    metadata: {
      name,
      ...(location !== undefined && { labels: { [topologyLabel]: location } }),
      annotations: ourAnnotations(annotations),
      ...creationTimestamp && { creationTimestamp },
    },
    ...(object.spec?.podCIDR && { spec: { podCIDR: object.spec.podCIDR } }),
  };
}
