/** The directory that is the cluster: Node and Peer objects as people write them, and what agents say. */

import { dump, load } from "js-yaml";
import { ANNOTATIONS, type NodeObject, type PeerObject } from "../../src/mesh/object.ts";
import type { Key } from "../../src/net/key.ts";
import type { NodeSpec, PeerSpec } from "./world.ts";

type Annotations = Readonly<Record<string, string>>;

export type NodeManifest = NodeObject & { readonly apiVersion: "v1"; readonly kind: "Node" };
export type PeerManifest = PeerObject & {
  readonly apiVersion: "kilo.squat.ai/v1alpha1";
  readonly kind: "Peer";
};
export type Kind = (NodeManifest | PeerManifest)["kind"];

export class Manifests {
  constructor(readonly directory: string) {}

  /** Writes (or replaces) the file of an object, atomically. */
  async put(object: NodeManifest | PeerManifest): Promise<void> {
    await this.putText(this.path(object.kind, object.metadata.name), dump(object));
  }

  /** Writes any text to a file of the directory, atomically. */
  async putText(path: string, text: string): Promise<void> {
    const partial = path.replace(/[^/]*$/, ".$&");
    await Deno.writeTextFile(partial, text);
    await Deno.rename(partial, path);
  }

  async delete(kind: Kind, name: string): Promise<void> {
    await Deno.remove(this.path(kind, name));
  }

  path(kind: Kind, name: string): string {
    return `${this.directory}/${kind.toLowerCase()}-${name}.yaml`;
  }

  /** What the agent of a node has published about it; empty if nothing (yet). */
  async status(node: string): Promise<Annotations> {
    try {
      const text = await Deno.readTextFile(`${this.directory}/status/${node}.yaml`);
      return (load(text) as NodeObject).metadata.annotations ?? {};
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return {};
      throw error;
    }
  }

  /** All Node objects with what their agents published laid over them. */
  async nodes(): Promise<NodeObject[]> {
    return await Promise.all(
      this.#read<NodeObject>("node").map(async (object) => {
        const { metadata } = object;
        const annotations = { ...metadata.annotations, ...await this.status(metadata.name) };
        return { ...object, metadata: { ...metadata, annotations } };
      }),
    );
  }

  peers(): PeerObject[] {
    return this.#read("peer");
  }

  #read<T>(kind: string): T[] {
    return [...Deno.readDirSync(this.directory)]
      .filter(({ name }) => name.startsWith(`${kind}-`))
      .map(({ name }) => load(Deno.readTextFileSync(`${this.directory}/${name}`)) as T);
  }
}

/** A Node object; `annotations` are added to those of the world, `kilo.squat.ai/` put before them. */
export function nodeObject(spec: NodeSpec, annotations: Annotations = {}): NodeManifest {
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
