/** Where the Nodes and Peers of a lab are: one interface, a backend of kg behind it. */

import type { NodeObject, PeerObject } from "../../src/mesh/object.ts";
import type { Kind, NodeManifest, PeerManifest } from "./manifests.ts";
import type { Namespace } from "./namespace.ts";

export type Annotations = Readonly<Record<string, string>>;

/** Makes a place for the objects of one lab. */
export interface Backend {
  readonly name: "file" | "kubernetes";
  /** `directory` is the lab's own; what is to be reached over the network is reached at `internet`. */
  open(lab: { readonly directory: string; readonly internet: Namespace }): Promise<Objects>;
}

export interface Objects extends AsyncDisposable {
  /** By these kg finds them. */
  readonly flags: readonly string[];

  /** Adds an object, or replaces what was put under its name; what agents published stays. */
  put(object: NodeManifest | PeerManifest): Promise<void>;

  delete(kind: Kind, name: string): Promise<void>;

  /** The annotations that the agent of a node has published; empty if none (yet). */
  status(node: string): Promise<Annotations>;

  /** With what their agents have published. */
  nodes(): Promise<NodeObject[]>;

  peers(): Promise<PeerObject[]>;
}
