/**
 * A directory as the cluster: manifests of Nodes and Peers in it, what the agents publish in
 * `status/`. Watched with inotify, and read again at each resync. Shared or synced between
 * machines it is a cluster without Kubernetes.
 */

import { Mutex } from "../../async/mutex.ts";
import { ifThere } from "../../files/replace.ts";
import type { Strings } from "../../mesh/object.ts";
import { STALE_AFTER } from "../../mesh/staleness.ts";
import { isRemote } from "../../os/file.ts";
import { describeError, quote } from "../../net/text.ts";
import {
  type Backend,
  BackendError,
  type Cluster,
  type ClusterChange,
  type Problem,
} from "../backend.ts";
import { assemble, type Assembled, changeOf, NOTHING } from "./assemble.ts";
import { Directory, isManifest, type ReadContext } from "./directory.ts";
import { Pending } from "./pending.ts";
import { REST_FACTOR, UpdateRest } from "./rest.ts";
import { patched } from "./status.ts";
import { removeStatus, writeStatus } from "./status_file.ts";
import { SyncWatch } from "./sync.ts";
import { STABLE_AFTER } from "./whole_file.ts";
import { DirectoryWatch, type FileEvent } from "../../files/watch.ts";
import { warning } from "../../net/warning.ts";

/** Milliseconds for which the first events after a rest are collected: those of one file. */
const GATHER = 2;
/** Milliseconds until all files are read after an event that names none, at most. */
const LONGEST_WAIT = 2000;
/** Milliseconds after which a file that may not be whole is read again. */
const REREAD_DELAY = STABLE_AFTER + 50;
/** Milliseconds that a start waits for files to become whole. */
const LONGEST_START = 30_000;
/** Milliseconds until a directory that cannot be listed is tried again. */
const RETRY = 250;
/**
 * Milliseconds between reads of everything where inotify does not report all changes: with the 30 s
 * between two check-ins that is well below the 60 s after which a node is stale.
 */
const POLL_PERIOD = 10_000;
/** The directory, in the other, of what agents publish. */
const STATUS = "status";

/** Stands for all files, among the paths of single files. */
const EVERYTHING = "";

export interface FileBackendOptions {
  /** The Node this agent stands for. */
  readonly hostname: string;
  /** Node label that names the location. */
  readonly topologyLabel: string;
  /** Milliseconds between two reads of everything. */
  readonly resyncPeriod: number;
  /** Nothing is watched: for commands that read everything once, and need no FFI. */
  readonly isOnce?: boolean;
}

export class FileBackend implements Backend {
  readonly #options: FileBackendOptions;
  readonly #manifests: Directory;
  readonly #statuses: Directory;
  readonly #watches: readonly DirectoryWatch[];
  readonly #pending = new Pending<string>((paths) => this.#mutex.run(() => this.#read(paths)));
  /** Reads and writes of the directory exclude each other. */
  readonly #mutex = new Mutex();
  #changed: (change: ClusterChange) => void = () => {};
  readonly #complete = Promise.withResolvers<void>();
  #cluster: Assembled = NOTHING;
  /** Files that their writers have closed, or that were moved here, and that did not change since. */
  readonly #whole = new Set<string>();
  /** Files of which an event came since they were last read. */
  readonly #announced = new Set<string>();
  /** Does the file system change without an event? */
  #isSilent = false;
  #isRemote = false;
  /** One of the directories is there and cannot be watched. */
  #isUnwatched = false;
  /** Monotonic time, milliseconds. */
  #startedAt = 0;
  readonly #sync: SyncWatch;
  #wasSyncOutage = false;
  /** What is wrong with the directories themselves. */
  #problems: Problem[] = [];
  /** Milliseconds that the last read of everything took. */
  #readTook = 0;
  readonly #rest = new UpdateRest();
  #live = false;
  /** It was live once and is not any more. */
  #lost = false;
  #relists = 0;

  constructor(path: string, options: FileBackendOptions) {
    this.#options = options;
    this.#sync = new SyncWatch(options.hostname);
    const { topologyLabel, hostname } = options;
    this.#manifests = new Directory(path, {
      topologyLabel,
      followLinks: true, // as in a mounted ConfigMap
      refill: { milliseconds: STABLE_AFTER, after: "last change" },
    });
    this.#statuses = new Directory(`${path}/${STATUS}`, {
      topologyLabel,
      optional: true,
      followLinks: false, // others write here, and an agent reads and writes as root
      keeper: `${path}/${STATUS}/${hostname}.yaml`,
      refill: { milliseconds: STALE_AFTER, after: "return" },
    });
    const watched = options.isOnce ? [] : [this.#manifests, this.#statuses];
    this.#watches = watched.map(({ path }) =>
      new DirectoryWatch(path, (event) => this.#schedule(path, event))
    );
  }

  start(changed: (change: ClusterChange) => void): Promise<void> {
    this.#changed = changed;
    this.#startedAt = performance.now();
    this.#pending.set(EVERYTHING, 0);
    return this.#complete.promise;
  }

  cluster(): Cluster {
    return this.#cluster;
  }

  get live(): boolean {
    return this.#live && !this.#sync.isOutage(performance.now());
  }

  /** Time in which no other node's status changes tells nothing about any of them. */
  get liveUntil(): number {
    return this.#sync.liveUntil;
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
    await this.#mutex.run(async () => {
      const name = this.#options.hostname;
      const path = `${this.#statuses.path}/${name}.yaml`;
      const status = this.#statusOf(name);
      const desired = patched(status, annotations);
      if (JSON.stringify(desired) === JSON.stringify(status) && status) return;
      try {
        await this.#writeStatus(path, desired);
      } catch (error) {
        if (this.#manifests.isStale) this.#pending.setAtLatest(EVERYTHING, 0);
        throw new BackendError(`annotating Node ${quote(name)} in ${path}`, { cause: error });
      }
      await this.#read([path]);
      if (!desired) this.#update(); // reading it finds no difference: it is forgotten already
    });
  }

  async #writeStatus(path: string, annotations: Strings | undefined): Promise<void> {
    const name = this.#options.hostname;
    if (name.includes("/")) throw new Error("there can be no such Node");
    if (!annotations) {
      this.#statuses.forget(path);
      return await removeStatus(this.#statuses.path, name);
    }
    if (!this.#cluster.own) throw new Error(`there is no such Node in ${this.#manifests.path}`);
    await this.#manifests.ensureSame();
    await writeStatus(this.#statuses.path, name, annotations);
    this.#whole.add(path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#pending[Symbol.dispose]();
    await this.#mutex.idle(); // it may still begin to watch
    for (const watch of this.#watches) watch[Symbol.dispose]();
    this.#complete.resolve();
  }

  #schedule(directory: string, { name, kind }: FileEvent): void {
    if (name !== undefined && isManifest(name)) {
      const path = `${directory}/${name}`;
      this.#announced.add(path);
      if (kind === "closed" || kind === "replaced") this.#whole.add(path);
      else if (kind !== "other") this.#whole.delete(path);
      if (kind !== "modified") this.#pending.setAtLatest(path, GATHER);
      else if (!this.#pending.has(path)) this.#pending.set(path, REREAD_DELAY); // closing it comes first
    } else if (name === STATUS) { // it comes into being when the first agent publishes
      this.#pending.setAtLatest(EVERYTHING, GATHER);
    } else if (!name?.startsWith(".") || name.startsWith("..")) { // `..data` of a mounted ConfigMap
      const wait = name === undefined ? 0 : Math.min(LONGEST_WAIT, this.#readTook * REST_FACTOR);
      this.#pending.setAtLatest(EVERYTHING, Math.max(GATHER, wait));
    }
  }

  async #read(paths: readonly string[]): Promise<void> {
    if (paths.includes(EVERYTHING)) {
      await this.#readEverything();
      this.#pending.setAtLatest(EVERYTHING, this.#readPeriod());
      this.#update();
    } else {
      let differs = false; // what this agent wrote itself it has read before the event comes
      for (const path of paths) this.#announced.delete(path);
      for (const directory of [this.#manifests, this.#statuses]) {
        if ((await directory.refresh(paths, this.#view)).size > 0) differs = true;
        if (directory.isStale) this.#pending.setAtLatest(EVERYTHING, 0);
      }
      for (const path of paths) this.#whole.delete(path);
      if (differs) this.#update();
    }
    const unsettled = this.#unsettled();
    for (const path of unsettled) this.#pending.setAtLatest(path, REREAD_DELAY);
    const isLate = performance.now() - this.#startedAt >= LONGEST_START;
    if (this.#live && (isLate || unsettled.length === 0)) this.#complete.resolve();
  }

  /** Files that may not be whole. */
  #unsettled(): readonly string[] {
    return [...this.#manifests.unsettled, ...this.#statuses.unsettled];
  }

  /** Milliseconds until everything is read again. */
  #readPeriod(): number {
    if (!this.#live) return RETRY;
    const { resyncPeriod } = this.#options;
    const hasEvents = !this.#isRemote && !this.#isSilent && !this.#isUnwatched;
    return hasEvents ? resyncPeriod : Math.min(resyncPeriod, POLL_PERIOD);
  }

  get #view(): ReadContext {
    if (this.#options.isOnce) return { isRemote: true, isWhole: () => true };
    return { isRemote: this.#isRemote, isWhole: (path) => this.#whole.has(path) };
  }

  /** Finds out whether the view is live on the way. */
  async #readEverything(): Promise<void> {
    const start = performance.now();
    this.#problems = [];
    const paths = this.#watches.map(({ path }) => path);
    this.#isRemote = (await Promise.all(paths.map(isRemote))).includes(true);
    const unsettled = new Set(this.#unsettled());
    let isNew = false;
    this.#isUnwatched = false;
    // Watched before they are read, so that nothing happens unseen in between.
    for (const watch of this.#watches) {
      try {
        if (await ifThere(() => watch.ensure())) isNew = true;
      } catch (error) {
        this.#isUnwatched = true;
        const text = `${watch.path} cannot be watched, so it is read every ` +
          `${POLL_PERIOD / 1000} s: ${describeError(error)}`;
        this.#problems.push(warning("backend", watch.path, text));
      }
    }
    const all = await Promise.all(
      [this.#manifests, this.#statuses].map((directory) => this.#refreshAll(directory)),
    );
    const isThere = all.every((differing) => differing !== undefined);
    if (isThere && this.#manifests.isRefilling) {
      const { path } = this.#manifests;
      const text = `${path} was away and is being filled again: what it lacks stays in force`;
      this.#problems.push({ ...warning("backend", path, text), isOutage: true });
      this.#live = false;
    } else if (isThere) {
      if (this.#lost) this.#relists++;
      this.#live = true;
      this.#lost = false;
      const unexpected = all.flatMap((paths) => [...paths!.difference(unsettled)]);
      if (!isNew) this.#listen(unexpected);
    } else {
      this.#lost ||= this.#live;
      this.#live = false;
    }
    this.#announced.clear();
    this.#whole.clear();
    this.#readTook = performance.now() - start;
  }

  /** The files that differ; undefined, and a problem: the directory is away. */
  async #refreshAll(directory: Directory): Promise<ReadonlySet<string> | undefined> {
    try {
      return await directory.refreshAll(this.#view);
    } catch (error) {
      const { path } = directory;
      const text = `${path} cannot be listed, what was in it stays in force: ` +
        describeError(error);
      this.#problems.push({ ...warning("backend", path, text), isOutage: true });
      return undefined;
    }
  }

  /** If these files changed without an event, there will be none for others either. */
  #listen(differing: readonly string[]): void {
    for (const watch of this.#watches) watch.drain();
    if (differing.some((path) => !this.#announced.has(path))) this.#isSilent = true;
  }

  /** Makes the cluster from what the files hold, and reports a change. */
  #update(): void {
    const start = performance.now();
    const before = this.#cluster;
    const { hostname, topologyLabel } = this.#options;
    const directories = [this.#manifests, this.#statuses];
    this.#cluster = assemble({
      manifests: this.#manifests.contents(),
      statusOf: (name) => this.#statusOf(name),
      problems: [
        ...this.#problems,
        ...this.#syncProblems(start),
        ...directories.flatMap((directory) => directory.problems()),
      ],
    }, { hostname, topologyLabel, last: before });
    this.#sync.observe(this.#cluster.nodes, { monotonic: start, wall: Date.now() });
    const change = changeOf(before, this.#cluster, hostname);
    this.#pending.rest(this.#rest.after({ start, end: performance.now() }));
    if (change) this.#changed(change);
  }

  #syncProblems(now: number): Problem[] {
    const isOutage = this.#sync.isOutage(now);
    if (this.#wasSyncOutage && !isOutage) this.#relists++;
    this.#wasSyncOutage = isOutage;
    if (!isOutage) return [];
    const { path } = this.#statuses;
    const text = `${path}: no other node's status has changed for ${STALE_AFTER / 1000} s: ` +
      "unless there is but one and it is dead, what syncs the directory has stopped; " +
      "all nodes stay as they are until one changes";
    return [{ ...warning("backend", path, text), isOutage: true }];
  }

  #statusOf(name: string): Strings | undefined {
    const nodes = this.#statuses.content(`${this.#statuses.path}/${name}.yaml`)?.nodes;
    return nodes?.find(({ metadata }) => metadata.name === name)?.metadata.annotations ?? undefined;
  }
}
