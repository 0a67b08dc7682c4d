/**
 * A directory as the cluster: manifests of Nodes and Peers in it, what the agents publish in
 * `status/`. Followed with inotify, looked through again at each resync. Shared or synced between
 * machines it is a cluster without Kubernetes.
 */

import { ifThere, replaceFile } from "../../files/replace.ts";
import type { Strings } from "../../mesh/object.ts";
import { describeError, quote } from "../../net/text.ts";
import { type Backend, BackendError, type Change, type Cluster, type Problem } from "../backend.ts";
import { assemble, type Assembled, changeOf, NOTHING } from "./assemble.ts";
import { Directory, isManifest } from "./directory.ts";
import { Pending } from "./pending.ts";
import { formatStatus, patched } from "./status.ts";
import { Turns } from "../../files/turns.ts";
import { DirectoryWatch, type FileEvent } from "../../files/watch.ts";
import { warning } from "../../net/warning.ts";

/** Milliseconds for which the first events after a rest are gathered: those of one file. */
const GATHER = 2;
/** Between two rounds of work passes so many times what they take: 5 % of a core at most. */
const LEISURE = 20;
/** Milliseconds of rest that may be owed: when nodes start together, each new key counts. */
const CREDIT = 1000;
/** Milliseconds that pass at least, so that a burst is a few changes. */
const SHORTEST_REST = 20;
/** Milliseconds that this may make anybody wait for a file they wrote. */
const LONGEST_REST = 250;
/** The same, where all files must be looked at. */
const LONGEST_WAIT = 2000;
/** Milliseconds after which a file that is open for writing is read all the same. */
const SILENCE = 200;
/** Milliseconds until a directory that cannot be listed is tried again. */
const RETRY = 1000;

/** The directory, in the other, of what agents publish. */
const STATUS = "status";

/** To be looked at, among the paths of single files. */
const EVERYTHING = "";

export interface FileBackendOptions {
  /** The Node this agent stands for. */
  readonly hostname: string;
  /** Node label that names the location. */
  readonly topologyLabel: string;
  /** Milliseconds between two looks at everything. */
  readonly resyncPeriod: number;
}

export class FileBackend implements Backend {
  readonly #options: FileBackendOptions;
  readonly #manifests: Directory;
  readonly #statuses: Directory;
  readonly #watches: readonly DirectoryWatch[];
  readonly #pending = new Pending<string>((paths) => this.#turns.take(() => this.#look(paths)));
  /** One at a time reads or writes the directory. */
  readonly #turns = new Turns();
  #changed: (change: Change) => void = () => {};
  readonly #complete = Promise.withResolvers<void>();
  #cluster: Assembled = NOTHING;
  /** Files that the last look at everything left to a look soon after. */
  readonly #skipped = new Set<string>();
  /** What is wrong with the directories themselves. */
  #problems: Problem[] = [];
  /** Milliseconds that the last look at everything took. */
  #lookTook = 0;
  /** When there was as much rest as the work so far takes, on the monotonic clock. */
  #restedAt = -Infinity;
  #live = false;
  /** It was live once and is not any more. */
  #lost = false;
  #relists = 0;

  constructor(path: string, options: FileBackendOptions) {
    this.#options = options;
    this.#manifests = new Directory(path, options);
    this.#statuses = new Directory(`${path}/${STATUS}`, { ...options, optional: true });
    this.#watches = [this.#manifests, this.#statuses].map(({ path }) =>
      new DirectoryWatch(path, (event) => this.#schedule(path, event))
    );
  }

  start(changed: (change: Change) => void): Promise<void> {
    this.#changed = changed;
    this.#pending.set(EVERYTHING, 0);
    return this.#complete.promise;
  }

  cluster(): Cluster {
    return this.#cluster;
  }

  get live(): boolean {
    return this.#live;
  }

  get nodesLive(): boolean {
    return this.live;
  }

  get annotationRoom(): number {
    return Infinity;
  }

  get relists(): number {
    return this.#relists;
  }

  async patchOwn(annotations: Readonly<Record<string, string | null>>): Promise<void> {
    await this.#complete.promise;
    await this.#turns.take(async () => {
      const name = this.#options.hostname;
      const path = `${this.#statuses.path}/${name}.yaml`;
      const status = this.#statusOf(name);
      const wish = patched(status, annotations);
      if (JSON.stringify(wish) === JSON.stringify(status) && status) return;
      try {
        await this.#writeStatus(path, wish);
      } catch (error) {
        throw new BackendError(`annotating Node ${quote(name)} in ${path}`, { cause: error });
      }
      await this.#look([path]);
    });
  }

  async #writeStatus(path: string, annotations: Strings | undefined): Promise<void> {
    const name = this.#options.hostname;
    if (name.includes("/")) throw new Error("there can be no such Node");
    if (!annotations) return void await ifThere(() => Deno.remove(path));
    if (!this.#cluster.own) throw new Error(`there is no such Node in ${this.#manifests.path}`);
    await Deno.mkdir(this.#statuses.path).catch((error) => {
      // Never the directory around it: an empty one would mean that all objects are deleted.
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    });
    await replaceFile(path, formatStatus(name, annotations), { mode: 0o644 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#pending[Symbol.dispose]();
    await this.#turns.ended(); // it may still begin to watch
    for (const watch of this.#watches) watch[Symbol.dispose]();
    this.#complete.resolve();
  }

  #schedule(directory: string, { name, writing }: FileEvent): void {
    if (name !== undefined && isManifest(name)) {
      const path = `${directory}/${name}`;
      if (writing) this.#pending.set(path, SILENCE);
      else this.#pending.setAtLatest(path, GATHER);
    } else if (name === STATUS) { // it comes into being when the first agent publishes
      this.#pending.setAtLatest(EVERYTHING, GATHER);
    } else if (!name?.startsWith(".") || name.startsWith("..")) { // `..data` of a mounted ConfigMap
      const wait = Math.min(LONGEST_WAIT, this.#lookTook * LEISURE);
      this.#pending.setAtLatest(EVERYTHING, Math.max(GATHER, wait));
    }
  }

  async #look(paths: readonly string[]): Promise<void> {
    if (paths.includes(EVERYTHING)) {
      await this.#lookAtEverything();
      this.#pending.setAtLatest(EVERYTHING, this.#live ? this.#options.resyncPeriod : RETRY);
      this.#update();
    } else {
      let differs = false; // what this agent wrote itself it has read before the event comes
      for (const directory of [this.#manifests, this.#statuses]) {
        if (await directory.refresh(paths)) differs = true;
        if (directory.isDoubtful) this.#pending.setAtLatest(EVERYTHING, 0);
      }
      for (const path of paths) this.#skipped.delete(path);
      if (differs) this.#update();
    }
    if (this.#live && this.#skipped.size === 0) this.#complete.resolve();
  }

  /** Finds out whether the view is live on the way. */
  async #lookAtEverything(): Promise<void> {
    const start = performance.now();
    this.#problems = [];
    this.#skipped.clear();
    // Watched before they are read, so that nothing happens unseen in between.
    for (const watch of this.#watches) {
      await ifThere(() => watch.ensure()).catch((error) =>
        void this.#problems.push(warning(
          "backend",
          watch.path,
          `${watch.path} cannot be watched: ${describeError(error)}`,
        ))
      );
    }
    try {
      const isPending = (path: string) => { // perhaps half-written
        const pending = this.#pending.has(path);
        if (pending) this.#skipped.add(path);
        return pending;
      };
      await this.#manifests.refreshAll(isPending);
      await this.#statuses.refreshAll(isPending);
      if (this.#lost) this.#relists++;
      this.#live = true;
      this.#lost = false;
    } catch (error) {
      const { path } = this.#manifests;
      const text = `${path} cannot be listed, what was in it stays in force: ` +
        describeError(error);
      this.#problems.push({ ...warning("backend", path, text), isOutage: true });
      this.#lost ||= this.#live;
      this.#live = false;
    }
    this.#lookTook = performance.now() - start;
  }

  /** Makes the cluster from what the files hold, and tells if it differs. */
  #update(): void {
    const start = performance.now();
    const before = this.#cluster;
    const { hostname, topologyLabel } = this.#options;
    const directories = [this.#manifests, this.#statuses];
    this.#cluster = assemble({
      manifests: this.#manifests.contents(),
      statusOf: (name) => this.#statusOf(name),
      problems: [...this.#problems, ...directories.flatMap((directory) => directory.problems())],
    }, { hostname, topologyLabel, last: before });
    const change = changeOf(before, this.#cluster, hostname);
    const now = performance.now();
    const owed = Math.max(this.#restedAt - now, -CREDIT) + (now - start) * LEISURE;
    this.#restedAt = now + Math.min(owed, LONGEST_REST);
    this.#pending.rest(Math.max(SHORTEST_REST, this.#restedAt - now));
    if (change) this.#changed(change);
  }

  #statusOf(name: string): Strings | undefined {
    const nodes = this.#statuses.content(`${this.#statuses.path}/${name}.yaml`)?.nodes;
    return nodes?.find(({ metadata }) => metadata.name === name)?.metadata.annotations ?? undefined;
  }
}
