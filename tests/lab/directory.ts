/** Objects in a directory of manifests: what `--backend file` reads. */

import { dump, load } from "js-yaml";
import type { NodeObject, PeerObject } from "../../src/mesh/object.ts";
import type { Kind, NodeManifest, PeerManifest } from "./manifests.ts";
import type { Annotations, Backend, Objects } from "./objects.ts";

export const FILES: Backend = {
  name: "file",
  open: async ({ directory }) => {
    const manifests = new Manifests(`${directory}/cluster`);
    await Deno.mkdir(manifests.directory);
    return manifests;
  },
};

export class Manifests implements Objects {
  constructor(readonly directory: string) {}

  get flags(): readonly string[] {
    return ["--backend=file", `--backend-path=${this.directory}`];
  }

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

  async status(node: string): Promise<Annotations> {
    try {
      const text = await Deno.readTextFile(`${this.directory}/status/${node}.yaml`);
      return (load(text) as NodeObject).metadata.annotations ?? {};
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return {};
      throw error;
    }
  }

  async nodes(): Promise<NodeObject[]> {
    return await Promise.all(
      this.#read<NodeObject>("node").map(async (object) => {
        const { metadata } = object;
        const annotations = { ...metadata.annotations, ...await this.status(metadata.name) };
        return { ...object, metadata: { ...metadata, annotations } };
      }),
    );
  }

  peers(): Promise<PeerObject[]> {
    return Promise.resolve(this.#read("peer"));
  }

  /** Goes with the lab's own directory. */
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  #read<T>(kind: string): T[] {
    return [...Deno.readDirSync(this.directory)]
      .filter(({ name }) => name.startsWith(`${kind}-`))
      .map(({ name }) => load(Deno.readTextFileSync(`${this.directory}/${name}`)) as T);
  }
}
