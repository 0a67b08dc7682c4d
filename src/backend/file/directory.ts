/** The manifest files in one directory, each read again only when it changed. */

import { ifThere } from "../../files/replace.ts";
import { identityOf } from "../../files/watch.ts";
import { compareText, describeError } from "../../net/text.ts";
import type { Problem } from "../backend.ts";
import { ManifestError } from "./manifest.ts";
import { type FileContent, readContent } from "./objects.ts";
import { warning } from "../../net/warning.ts";

/** Is this the name of a manifest? Dot files, such as half-written ones, are not. */
export function isManifest(name: string): boolean {
  return !name.startsWith(".") && /\.(ya?ml|json)$/.test(name);
}

interface File {
  /** Changes when the file does. */
  readonly version: string;
  /** What it holds, or held when it could last be read. */
  readonly content?: FileContent;
  readonly problem?: Problem;
}

export type PathContent = readonly [path: string, content: FileContent];

interface DirectoryOptions {
  readonly topologyLabel: string;
  /** It need not exist; then it is as good as empty. */
  readonly optional?: boolean;
}

export class Directory {
  /** By path. */
  readonly #files = new Map<string, File>();
  #contents: readonly PathContent[] | undefined;
  /** Of the directory that was listed last. */
  #identity: string | undefined;
  #isDoubtful = false;
  readonly #options: DirectoryOptions;

  constructor(readonly path: string, options: DirectoryOptions) {
    this.#options = options;
  }

  content(path: string): FileContent | undefined {
    return this.#files.get(path)?.content;
  }

  /** What the files hold, or held when they could last be read, in the order of their paths. */
  contents(): readonly PathContent[] {
    return this.#contents ??= [...this.#files]
      .flatMap(([path, { content }]) => content ? [[path, content] as const] : [])
      .sort(([a], [b]) => compareText(a, b));
  }

  problems(): readonly Problem[] {
    return [...this.#files.values()].flatMap(({ problem, content }) => [
      ...(problem ? [problem] : []),
      ...(content?.problems ?? []),
    ]);
  }

  /** A file was missed in what may be another directory: only a look at every file can tell. */
  get isDoubtful(): boolean {
    return this.#isDoubtful;
  }

  /**
   * Looks at every file, except those that are looked at soon anyway; throws what the system says
   * if the directory cannot be listed.
   */
  async refreshAll(except: (path: string) => boolean): Promise<void> {
    this.#isDoubtful = false;
    this.#identity = await this.#identify();
    const list = () => Array.fromAsync(Deno.readDir(this.path), ({ name }) => name);
    const names = this.#options.optional ? await ifThere(list) ?? [] : await list();
    const paths = names.filter(isManifest).map((name) => `${this.path}/${name}`);
    const all = new Set([...this.#files.keys(), ...paths]);
    await this.refresh([...all].filter((path) => !except(path)));
  }

  /**
   * Looks at those of the files that are in this directory, a few at a time; returns whether any of
   * them differs.
   */
  async refresh(paths: readonly string[]): Promise<boolean> {
    const own = paths.filter((path) => path.lastIndexOf("/") === this.path.length);
    let differs = false;
    for (let at = 0; at < own.length; at += 16) {
      const some = await Promise.all(own.slice(at, at + 16).map((path) => this.#refreshFile(path)));
      differs ||= some.includes(true);
    }
    return differs;
  }

  /** Does it differ? */
  async #refreshFile(path: string): Promise<boolean> {
    const last = this.#files.get(path);
    try {
      const info = await ifThere(() => Deno.stat(path));
      if (!info?.isFile) {
        await this.#ensureSame();
        const wasThere = this.#files.delete(path);
        if (wasThere) this.#contents = undefined;
        return wasThere;
      }
      const version = `${info.mtime?.getTime()} ${info.ctime?.getTime()} ${info.size} ${info.ino}`;
      if (version === last?.version) return false;
      this.#identity ??= await this.#identify(); // it was made after the last look
      this.#files.set(path, { version, ...this.#read(path, await Deno.readTextFile(path)) });
      this.#contents = undefined;
    } catch (error) {
      const problem = warning("backend", path, `${path} cannot be read: ${describeError(error)}`);
      this.#files.set(path, { ...last, version: "", problem });
    }
    return true;
  }

  /** A file that is missing is gone only if its directory is not: that may be moved, or unmounted. */
  async #ensureSame(): Promise<void> {
    if (await this.#identify() === this.#identity) return;
    this.#isDoubtful = true;
    throw new Error(`${this.path} is not the directory any more in which it was`);
  }

  async #identify(): Promise<string | undefined> {
    return await ifThere(() => identityOf(this.path));
  }

  /** What there is to know of a file with this text; if it is broken, what it held stays. */
  #read(path: string, text: string): Omit<File, "version"> {
    const last = this.#files.get(path)?.content;
    try {
      // Emptied is about to be written; who means to take the objects away removes the file.
      if (text === "" && last) throw new ManifestError("the file is empty");
      return {
        content: readContent(text, { path, topologyLabel: this.#options.topologyLabel, last }),
      };
    } catch (error) {
      if (!(error instanceof ManifestError)) throw error;
      const where = error.line === undefined ? path : `${path}:${error.line}`;
      const outcome = last ? "its last valid objects stay in force" : "it is ignored";
      return {
        ...(last && { content: last }),
        problem: warning("backend", path, `${where}: ${error.message}; ${outcome}`),
      };
    }
  }
}
