/**
 * The manifest files in one directory, each read again only when it changed. What is in force is what
 * was last whole: half-written files, and directories that are away, change nothing.
 */

import { ifThere } from "../../files/replace.ts";
import { identityOf } from "../../files/watch.ts";
import { compareText, describeError } from "../../net/text.ts";
import { warning } from "../../net/warning.ts";
import type { Problem } from "../backend.ts";
import { isSuspicious, type KnownFile, outcomeFor } from "./known_file.ts";
import { ManifestError } from "./manifest.ts";
import { type FileContent, readContent } from "./objects.ts";
import {
  type FileState,
  findFile,
  type Found,
  isRacy,
  readWhole,
  STABLE_AFTER,
} from "./whole_file.ts";

/** Is this the name of a manifest? Dot files, such as half-written ones, are not. */
export function isManifest(name: string): boolean {
  return !name.startsWith(".") && /\.(ya?ml|json)$/.test(name);
}

/** The directory is away: gone, or empty although it held objects. What was in it stays in force. */
export class DirectoryLostError extends Error {
  override readonly name = "DirectoryLostError";
}

/** Milliseconds after which it is said that a file is being written. */
const LONG_WRITE = 10_000;

export type PathContent = readonly [path: string, content: FileContent];

export interface DirectoryOptions {
  readonly topologyLabel: string;
  /** It need not exist; then it is as good as empty. */
  readonly optional?: boolean;
  /** Links to files elsewhere count. */
  readonly followLinks: boolean;
  /**
   * A file that nobody but the caller removes: while it was never there, an empty directory is
   * nothing strange. Without a keeper, one that held objects is.
   */
  readonly keeper?: string;
  /**
   * Milliseconds for which objects stay that are missing when the directory is back after it was
   * away, or is another one: it is being filled. `after`: from when that counts.
   */
  readonly refill: { readonly milliseconds: number; readonly after: "return" | "last change" };
}

/** What reading files needs to know of their directory. */
export interface ReadContext {
  readonly isRemote: boolean;
  /** Was the file closed by its writer, or moved here, and not changed since? */
  readonly isWhole: (path: string) => boolean;
}

export class Directory {
  /** By path. */
  readonly #files = new Map<string, KnownFile>();
  readonly #unsettled = new Set<string>();
  #contents: readonly PathContent[] | undefined;
  /** Of the directory that was listed last. */
  #identity: string | undefined;
  #isStale = false;
  #isLost = false;
  #isRefilling = false;
  /** Monotonic time, milliseconds, until which missing files keep their objects. */
  #refillingUntil = -Infinity;
  readonly #options: DirectoryOptions;

  constructor(readonly path: string, options: DirectoryOptions) {
    this.#options = options;
  }

  content(path: string): FileContent | undefined {
    return this.#files.get(path)?.valid?.content;
  }

  /** What the files hold, or held when they could last be read, in the order of their paths. */
  contents(): readonly PathContent[] {
    return this.#contents ??= [...this.#files]
      .flatMap(([path, { valid }]) => valid ? [[path, valid.content] as const] : [])
      .sort(([a], [b]) => compareText(a, b));
  }

  problems(): readonly Problem[] {
    return [...this.#files.values()].flatMap(({ problem, valid }) => [
      ...(problem ? [problem] : []),
      ...(valid?.content.problems ?? []),
    ]);
  }

  /** A file was missed in what may be another directory: only reading every file can tell. */
  get isStale(): boolean {
    return this.#isStale;
  }

  /** It was away, is back, and may not have all its files yet: those that are missing count. */
  get isRefilling(): boolean {
    return this.#isRefilling;
  }

  /** Files to read again soon: they may be half-written. */
  get unsettled(): ReadonlySet<string> {
    return this.#unsettled;
  }

  /**
   * Throws a {@link DirectoryLostError} if the path names another directory than the one that was
   * listed: what is written there would be lost, or begin a cluster of its own.
   */
  async ensureSame(): Promise<void> {
    if (await this.#identify() === this.#identity) return;
    this.#isStale = true;
    throw new DirectoryLostError("it is another directory than it was, or none");
  }

  /**
   * Reads every file; the paths of those that differ. Throws a {@link DirectoryLostError}, or
   * what the system says if the directory cannot be listed.
   */
  async refreshAll(context: ReadContext): Promise<ReadonlySet<string>> {
    this.#isStale = false;
    try {
      const identity = await this.#identify();
      const names = await this.#list();
      if (names.length === 0 && this.#mustHaveFiles(identity)) {
        throw new DirectoryLostError(identity ? "it is empty" : "it is gone");
      }
      const isOther = this.#identity !== undefined && identity !== this.#identity;
      if (this.#isLost || isOther) this.#extendRefill();
      this.#isLost = false;
      this.#identity = identity;
      const paths = names.map((name) => `${this.path}/${name}`);
      return await this.refresh([...new Set([...this.#files.keys(), ...paths])], context);
    } catch (error) {
      this.#isLost = true;
      throw error;
    }
  }

  /** Names of all manifests in it. */
  async #list(): Promise<string[]> {
    const list = () => Array.fromAsync(Deno.readDir(this.path), ({ name }) => name);
    const names = this.#options.optional ? await ifThere(list) ?? [] : await list();
    return names.filter(isManifest);
  }

  /** Is it not to be believed that this directory, if it is there, has no files? */
  #mustHaveFiles(identity: string | undefined): boolean {
    const { keeper } = this.#options;
    if (identity !== undefined && keeper !== undefined) return this.content(keeper) !== undefined;
    return this.contents().some(([, { nodes, peers }]) => nodes.length + peers.length > 0);
  }

  /** The caller removes this file: it is no loss. */
  forget(path: string): void {
    this.#unsettled.delete(path);
    if (this.#files.delete(path)) this.#contents = undefined;
  }

  #extendRefill(): void {
    this.#refillingUntil = performance.now() + this.#options.refill.milliseconds;
  }

  /**
   * Reads those of the files that are in this directory, a few at a time; the paths of those that
   * differ.
   */
  async refresh(paths: readonly string[], context: ReadContext): Promise<ReadonlySet<string>> {
    const own = paths.filter((path) => path.lastIndexOf("/") === this.path.length);
    const differing = new Set<string>();
    const missing: string[] = [];
    for (let at = 0; at < own.length; at += 16) {
      await Promise.all(
        own.slice(at, at + 16).map(async (path) => {
          const outcome = await this.#refreshFile(path, context);
          if (outcome === "differs") differing.add(path);
          if (outcome === "missing" && this.#files.has(path)) missing.push(path);
        }),
      );
    }
    if (differing.size > 0) {
      this.#contents = undefined;
      const isRefilling = performance.now() < this.#refillingUntil;
      if (isRefilling && this.#options.refill.after === "last change") this.#extendRefill();
    }
    for (const path of await this.#drop(missing)) differing.add(path);
    return differing;
  }

  /**
   * Files that are missing are gone only if their directory is not: that may be moved or unmounted,
   * empty, or about to be filled. Returns those that are.
   */
  async #drop(missing: readonly string[]): Promise<readonly string[]> {
    this.#isRefilling = false;
    if (missing.length === 0) return [];
    const now = performance.now();
    if (now < this.#refillingUntil) {
      this.#isRefilling = true;
      const unsettled = { version: "missing", since: now, begin: now };
      for (const path of missing) this.#set(path, { ...this.#files.get(path), unsettled });
      return [];
    }
    const identity = await this.#identify();
    const isEmpty = (await this.#list().catch(() => [])).length === 0;
    this.#isStale = identity !== this.#identity || isEmpty && this.#mustHaveFiles(identity);
    if (this.#isStale) return [];
    for (const path of missing) this.forget(path);
    return missing;
  }

  #set(path: string, file: KnownFile): void {
    this.#files.set(path, file);
    if (file.unsettled) this.#unsettled.add(path);
    else this.#unsettled.delete(path);
  }

  async #refreshFile(path: string, context: ReadContext): Promise<"same" | "differs" | "missing"> {
    const last = this.#files.get(path) ?? {};
    try {
      const found = await findFile(path, { ...this.#options, ...context });
      if (found.kind === "missing") return "missing";
      if (found.kind === "unusable") return this.#keep(path, this.#unusable(path, found));
      const { state } = found;
      this.#identity ??= await this.#identify(); // it was made after the last read
      if (state.version === last.version && !last.unsettled) return "same";
      if (state.version === last.version) return this.#settle(path, state);
      return await this.#read(path, state, context);
    } catch (error) {
      const text = `${path} cannot be read: ${describeError(error)}`;
      return this.#keep(path, warning("backend", path, text));
    }
  }

  async #read(path: string, state: FileState, context: ReadContext): Promise<"same" | "differs"> {
    const last = this.#files.get(path) ?? {};
    const { valid, unsettled } = last;
    const now = performance.now();
    const isStable = unsettled?.version === state.version &&
      now - unsettled.since >= STABLE_AFTER;
    const isOld = !last.version && Date.now() - state.modified >= STABLE_AFTER;
    const isTrusted = isStable || isOld || context.isWhole(path);
    const text = await readWhole(path, state, { isRemote: context.isRemote, isTrusted });
    if (text === undefined) return this.#postpone(path, state);
    if (text === last.racyText) return this.#settle(path, state);
    const isInPlace = valid?.inode === state.inode;
    const file = this.#parse(path, { text, state, isInPlace });
    if (!isStable && valid && file.valid && isInPlace && isSuspicious(valid, file.valid)) {
      return this.#postpone(path, state);
    }
    this.#set(path, file);
    return "differs";
  }

  /** It is as it was when it was last read, after all. */
  #settle(path: string, { version }: FileState): "same" | "differs" {
    const { unsettled: _, racyText: __, ...file } = this.#files.get(path)!;
    this.#set(path, { ...file, version });
    return "same";
  }

  /** What is in the file now may be half of it. */
  #postpone(path: string, { version }: FileState): "same" | "differs" {
    const { unsettled: before, ...file } = this.#files.get(path) ?? {};
    const now = performance.now();
    const begin = before?.begin ?? now;
    const since = before?.version === version ? before.since : now;
    const unsettled = { version, since, begin };
    if (now - begin < LONG_WRITE) {
      this.#set(path, { ...file, unsettled });
      return "same";
    }
    const text = `${path} is still being written; ${outcomeFor(file.valid)}`;
    const problem = warning("backend", path, text);
    this.#set(path, { ...file, unsettled, problem });
    return file.problem?.text === text ? "same" : "differs";
  }

  #unusable(path: string, { what }: Found & { kind: "unusable" }): Problem {
    const text = `${path} is ${what}; ${outcomeFor(this.#files.get(path)?.valid)}`;
    return warning("backend", path, text);
  }

  /** What the file held stays, with this problem. */
  #keep(path: string, problem: Problem): "same" | "differs" {
    const { valid, problem: before } = this.#files.get(path) ?? {};
    this.#set(path, { ...(valid && { valid }), problem });
    return before?.text === problem.text ? "same" : "differs";
  }

  async #identify(): Promise<string | undefined> {
    return await ifThere(() => identityOf(this.path));
  }

  /** What there is to know of a file with this text; if it is broken, what it held stays. */
  #parse(
    path: string,
    { text, state, isInPlace }: { text: string; state: FileState; isInPlace: boolean },
  ): KnownFile {
    const last = this.#files.get(path)?.valid;
    // A file that was replaced has another inode, which tells it apart.
    const racy = isInPlace && isRacy(state) && { version: `${state.version} once`, racyText: text };
    const reading = { version: state.version, ...racy };
    try {
      // Emptied is about to be written; who means to take the objects away removes the file.
      if (text === "" && last) throw new ManifestError("the file is empty");
      const { topologyLabel } = this.#options;
      const content = readContent(text, { path, topologyLabel, last: last?.content });
      const { inode, size } = state;
      return { ...reading, valid: { content, inode, size, endsInLine: text.endsWith("\n") } };
    } catch (error) {
      if (!(error instanceof ManifestError)) throw error;
      const where = error.line === undefined ? path : `${path}:${error.line}`;
      return {
        ...reading,
        ...(last && { valid: last }),
        problem: warning("backend", path, `${where}: ${error.message}; ${outcomeFor(last)}`),
      };
    }
  }
}
