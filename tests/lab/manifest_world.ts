/** Directories of manifests with backends on them, for one test. */

import type { ClusterChange } from "../../src/backend/backend.ts";
import { FileBackend } from "../../src/backend/file/backend.ts";
import { libc } from "../../src/os/libc.ts";
import { pollerIdle } from "../../src/os/poller.ts";

libc(); // stays open: not a leak of any test

/** A test; the thread that waits for events ends a little after the last backend. */
export function test(name: string, run: () => Promise<void>): void {
  Deno.test(name, async () => {
    await run();
    await pollerIdle();
  });
}

/** A directory with a backend on it, gone at the end of the block. */
export class World implements AsyncDisposable {
  readonly changes: ClusterChange[] = [];
  readonly #backends: FileBackend[] = [];
  #wake = () => {};

  private constructor(readonly root: string, readonly path: string) {}

  static async make(files: Record<string, string> = {}): Promise<World> {
    const root = await Deno.makeTempDir({ prefix: "ag-" });
    const world = new World(root, `${root}/cluster`);
    await Deno.mkdir(world.path);
    for (const [name, text] of Object.entries(files)) await world.write(name, text);
    return world;
  }

  open(hostname = "n", resyncPeriod = 60_000): FileBackend {
    const backend = new FileBackend(this.path, { hostname, topologyLabel: "zone", resyncPeriod });
    this.#backends.push(backend);
    return backend;
  }

  readonly changed = (change: ClusterChange): void => {
    this.changes.push(change);
    this.#wake();
  };

  /** Waits until it holds; it can only begin to hold by a change. */
  async until(holds: () => boolean, timeout = 5000): Promise<void> {
    while (!holds()) {
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`never held: ${holds}`)), timeout);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** As careful people write files. */
  async write(name: string, text: string): Promise<void> {
    await Deno.writeTextFile(`${this.path}/.${name}.new`, text);
    await Deno.rename(`${this.path}/.${name}.new`, `${this.path}/${name}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const backend of this.#backends) await backend[Symbol.asyncDispose]();
    await Deno.remove(this.root, { recursive: true });
  }
}

export const KEY = "9GzWJHTLWNSIRIQ3BIEYCmMPBoJOBjDhr4GNMdGpYAE=";

export const node = (name: string, annotations: Record<string, string> = {}): string =>
  JSON.stringify({ kind: "Node", metadata: { name, annotations } });

export const peer = (name: string, ip: string): string =>
  `kind: Peer\nmetadata: { name: ${name} }\nspec: { allowedIPs: [${ip}], publicKey: "${KEY}" }\n`;

export const texts = (backend: FileBackend): string[] =>
  backend.cluster().problems.map(({ text }) => text);
