/** What the backend keeps of an object; of a raw Node that is little. */

import type { KubernetesObject } from "../../kubernetes/object.ts";
import type { Node } from "../../mesh/node.ts";
import {
  asPeerObject,
  type NodeObject,
  ObjectShapeError,
  ourAnnotations,
  type Strings,
} from "../../mesh/object.ts";
import type { Peer } from "../../mesh/peer.ts";
import { equalNodes, equalPeers } from "../../mesh/readiness.ts";
import { parseNode } from "../../mesh/read_node.ts";
import { InvalidPeerError, parsePeer } from "../../mesh/read_peer.ts";
import { quote } from "../../net/text.ts";
import type { Entry } from "./store.ts";
import { warning } from "../../net/warning.ts";

/** A Node, or of an event its metadata alone. */
export type RawNode = KubernetesObject & NodeObject;

export interface NodeEntry extends Entry<Node> {
  readonly value: Node;
  readonly uid: string;
  /** Undefined: not set yet, as far as is known. Once set it never changes. */
  readonly podCIDR: string | undefined;
  /** Only of the own Node. */
  readonly annotations: Strings | undefined;
  /** Bytes of annotations on it that are not ours, names included; only of the own Node. */
  readonly othersBytes: number;
}

/** What a Node says now; what only whole objects say is taken from `last`, if that is the same Node. */
export function readNode(
  raw: RawNode,
  { topologyLabel, hostname, last }: {
    readonly topologyLabel: string;
    readonly hostname: string;
    readonly last: NodeEntry | undefined;
  },
): NodeEntry {
  const { name, uid = "", resourceVersion: version = "" } = raw.metadata;
  const podCIDR = raw.spec?.podCIDR || (last?.uid === uid ? last.podCIDR : undefined);
  const object = { metadata: raw.metadata, ...podCIDR && { spec: { podCIDR } } };
  const { node, warnings } = parseNode(object, { topologyLabel });
  const annotations = name === hostname
    ? sorted(ourAnnotations(raw.metadata.annotations))
    : undefined;
  const othersBytes = name === hostname ? bytesOfOthers(raw.metadata.annotations ?? {}) : 0;
  const isSame = last && equalNodes(last.value, node) && last.value.lastSeen === node.lastSeen &&
    JSON.stringify(last.annotations) === JSON.stringify(annotations);
  const subject = `Node ${quote(name)}`;
  const problems = warnings.map((text) => warning("node", subject, `${subject}: ${text}`));
  return {
    value: isSame ? last.value : node,
    uid,
    version,
    podCIDR,
    annotations,
    othersBytes,
    problems,
  };
}

function bytesOfOthers(annotations: Strings): number {
  const ours = ourAnnotations(annotations);
  const others = Object.entries(annotations).filter(([name]) => !(name in ours));
  return others.reduce((sum, [name, text]) => sum + utf8Length(name) + utf8Length(text), 0);
}

function utf8Length(text: string): number {
  return new TextEncoder().encode(text).length;
}

function sorted(annotations: Strings): Strings {
  return Object.fromEntries(Object.entries(annotations).sort(([a], [b]) => a < b ? -1 : 1));
}

/** What a Peer says now; an invalid one has no value. */
export function readPeer(raw: KubernetesObject, last: Entry<Peer> | undefined): Entry<Peer> {
  const { name, resourceVersion: version = "" } = raw.metadata;
  const about = `Peer ${quote(name)}`;
  try {
    const { peer, warnings } = parsePeer(asPeerObject(raw));
    const value = last?.value && equalPeers(last.value, peer) ? last.value : peer;
    return {
      ...{ version, value },
      problems: warnings.map((text) => warning("peer", about, `${about}: ${text}`)),
    };
  } catch (error) {
    if (!(error instanceof ObjectShapeError || error instanceof InvalidPeerError)) throw error;
    const text = `${about} is ignored: ${error.message}`;
    const problem = { ...warning("peer", about, text), event: "peer" } as const;
    return { version, value: undefined, problems: [problem] };
  }
}
