/** Node and Peer objects as people write them. */

import { ANNOTATIONS, type NodeObject, type PeerObject } from "../../src/mesh/object.ts";
import type { Key } from "../../src/net/key.ts";
import type { NodeSpec, PeerSpec } from "./world.ts";

export type NodeManifest = NodeObject & { readonly apiVersion: "v1"; readonly kind: "Node" };
export type PeerManifest = PeerObject & {
  readonly apiVersion: "kilo.squat.ai/v1alpha1";
  readonly kind: "Peer";
};
export type Kind = (NodeManifest | PeerManifest)["kind"];

/** A Node object; `annotations` are added to those of the world, `kilo.squat.ai/` put before them. */
export function nodeObject(
  spec: NodeSpec,
  annotations: Readonly<Record<string, string>> = {},
): NodeManifest {
  const domain = ANNOTATIONS.key.replace(/[^/]*$/, "");
  const named = Object.entries({ ...spec.annotations, ...annotations })
    .map(([name, value]) => [domain + name, value]);
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name: spec.name,
      labels: { "topology.kubernetes.io/region": spec.location },
      annotations: Object.fromEntries(named),
    },
    spec: { podCIDR: spec.podCIDR },
  };
}

export function peerObject(spec: PeerSpec, publicKey: Key): PeerManifest {
  const { name, allowedIPs, persistentKeepalive } = spec;
  return {
    apiVersion: "kilo.squat.ai/v1alpha1",
    kind: "Peer",
    metadata: { name },
    spec: { allowedIPs, persistentKeepalive, publicKey },
  };
}
