/** A cluster's objects as files, for `--backend=file`. */

import { formatStatus } from "../src/backend/file/status.ts";
import { replaceFile } from "../src/files/replace.ts";
import { checkIn, CHECKING_IN, type Manifest } from "./cluster.ts";

export class Files {
  /** The file that {@link checkIn} writes. */
  readonly statusName = `${CHECKING_IN}.yaml`;
  #checkIns = 0;

  constructor(readonly directory: string) {}

  /** How kg is told of them. */
  get flags(): string[] {
    return ["--backend=file", `--backend-path=${this.directory}`];
  }

  /** Writes all objects as one JSON `List`, and what the node that checks in has published. */
  async install(objects: readonly Manifest[]): Promise<void> {
    await Deno.mkdir(`${this.directory}/status`, { recursive: true });
    await this.checkIn();
    const list = { apiVersion: "v1", kind: "List", items: objects };
    await Deno.writeTextFile(`${this.directory}/all.json`, JSON.stringify(list));
  }

  /** What puts one more object there, or another version of it; all it needs but the last step is done. */
  placing(object: Manifest): () => void {
    Deno.writeTextFileSync(`${this.#more}.new`, JSON.stringify(object));
    return () => Deno.renameSync(`${this.#more}.new`, this.#more);
  }

  /** What removes that object. */
  removing(): () => void {
    return () => Deno.removeSync(this.#more);
  }

  /** Makes a node check in, which changes nothing. */
  async checkIn(): Promise<void> {
    const path = `${this.directory}/status/${this.statusName}`;
    await replaceFile(path, formatStatus(CHECKING_IN, checkIn(this.#checkIns++)), { mode: 0o644 });
  }

  get #more(): string {
    return `${this.directory}/more.json`;
  }
}
