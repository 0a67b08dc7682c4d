/** A Kubernetes cluster: watches Nodes and Peers, and annotates the own Node. */

import { sleep } from "../../async/sleep.ts";
import { TokenBucket } from "../../async/token_bucket.ts";
import { Client } from "../../kubernetes/client.ts";
import { StatusError } from "../../kubernetes/error.ts";
import { link, unlessAborted } from "../../kubernetes/link.ts";
import { listInChunks } from "../../kubernetes/list.ts";
import { configReader, type ConfigSource } from "../../kubernetes/load_config.ts";
import { compareResourceVersions, type KubernetesObject } from "../../kubernetes/object.ts";
import type { Node } from "../../mesh/node.ts";
import { ANNOTATIONS } from "../../mesh/object.ts";
import type { Peer } from "../../mesh/peer.ts";
import { describeError, quote } from "../../net/text.ts";
import { warning } from "../../net/warning.ts";
import {
  type Backend,
  BackendError,
  type Cluster,
  type ClusterChange,
  type PatchOptions,
  type Problem,
} from "../backend.ts";
import { Informer } from "./informer.ts";
import { waitForPeerKind } from "./peer_kind.ts";
import { PodCIDRPolls } from "./pod_cidr_polls.ts";
import { type NodeEntry, type RawNode, readNode, readPeer } from "./read.ts";
import { WatchLiveness } from "./watch_liveness.ts";

const NODES = "/api/v1/nodes";
const PEERS = "/apis/kilo.squat.ai/v1alpha1/peers";

/** Milliseconds between two batches of Node events: a thousand Nodes check in 33 times a second. */
const NODE_BATCH_INTERVAL = 250;

/** Milliseconds until a Node that could not be read is asked for again. */
const RETRY = 3000;

/** `TotalAnnotationSizeLimitB` of k8s.io/apimachinery, api/validation: names and texts of one object. */
const MOST_ANNOTATION_BYTES = 256 * 1024;

/** As the original agent's. */
const REQUESTS = { perSecond: 5, burst: 10 };

/** Check-ins are none of those. */
const CHECK_INS = { perSecond: 1, burst: 2 };

/** Milliseconds that a server may ask for before the next check-in: after 60 s all would drop this node. */
const LONGEST_CHECK_IN_PAUSE = 10_000;

export interface KubernetesBackendOptions {
  /** The Node this agent stands for. */
  readonly hostname: string;
  /** Node label that names the location. */
  readonly topologyLabel: string;
}

export class KubernetesBackend implements Backend {
  readonly #source: ConfigSource;
  readonly #options: KubernetesBackendOptions;
  readonly #stop = new AbortController();
  readonly #limit = new TokenBucket(REQUESTS);
  readonly #checkInLimit = new TokenBucket(CHECK_INS);
  readonly #nodes: Informer<RawNode, Node, NodeEntry>;
  readonly #peers: Informer<KubernetesObject, Peer>;
  readonly #liveness = new WatchLiveness({
    reopen: () => {
      this.#nodes.reopen();
      this.#peers.reopen(); // it went the same way
    },
    changed: () => this.#update(),
  });
  readonly #polls = new PodCIDRPolls();
  /** Names of Nodes whose pod CIDR is to be asked for. */
  readonly #wanted = new Set<string>();
  readonly #opened = Promise.withResolvers<Client>();
  #client: Client | undefined;
  #running: Promise<unknown> = Promise.resolve();
  #asking: Promise<void> | undefined;
  /** Does the cluster know Peers? Or why that is not so, or cannot be told. */
  #peerKind: "asked for" | "known" | Problem = "asked for";
  #objectProblems: readonly Problem[] = [];
  /** What is not as it should be with the kubeconfig and the credentials. */
  #accessProblems: readonly Problem[] = [];
  #changed: (change: ClusterChange) => void = () => {};
  /** What the cluster holds; brought up to date in place, since every check-in is a change. */
  readonly #known = { nodes: new Map<string, Node>(), peers: new Map<string, Peer>() };
  #cluster: Cluster = { ...this.#known, problems: [] };

  constructor(source: ConfigSource, options: KubernetesBackendOptions) {
    this.#source = source;
    this.#options = options;
    this.#nodes = new Informer({
      what: "Nodes",
      representation: "metadata",
      batchInterval: NODE_BATCH_INTERVAL,
      read: (raw, last) => this.#read(raw, last),
      changed: () => this.#update(),
      heard: (raw) => this.#heard(raw),
    });
    this.#peers = new Informer({
      what: "Peers",
      representation: "full",
      batchInterval: 0,
      read: readPeer,
      changed: () => this.#update(),
    });
  }

  /** Rejects with a BackendError when it is not clear which API server is meant, or who we are there. */
  async start(changed: (change: ClusterChange) => void): Promise<void> {
    this.#changed = changed;
    const { signal } = this.#stop;
    let client: Client;
    try {
      client = await this.#open();
    } catch (error) {
      const problem = new BackendError(`no way to the API server: ${describeError(error)}`);
      this.#opened.promise.catch(() => {}); // perhaps nobody waits for it
      this.#opened.reject(problem);
      throw problem;
    }
    if (signal.aborted) return client[Symbol.dispose]();
    this.#client = client;
    this.#opened.resolve(client);
    // All at once. The answer of the third leaves a connection for the first patch, which on one of
    // its own would wait 40 ms: fetch has Nagle's algorithm on, and a server that resumes a TLS
    // session has nothing to say that would confirm its end.
    this.#running = Promise.all([
      this.#nodes.run({ client, path: NODES }, signal),
      this.#peers.run({ client, path: PEERS }, signal),
      this.#waitForPeerKind(client),
    ]);
    await Promise.all([this.#nodes.complete, this.#peers.complete]);
  }

  async #open(): Promise<Client> {
    const load = configReader(this.#source);
    return await Client.open(await load(), {
      reload: load,
      plugin: this.#source.plugin,
      report: (faults) => {
        this.#accessProblems = faults.map((text) => warning("backend", "API server", text));
        this.#update();
      },
    });
  }

  cluster(): Cluster {
    return this.#cluster;
  }

  get live(): boolean {
    return this.nodesLive && this.#peers.live;
  }

  get nodesLive(): boolean {
    return this.#nodes.live && !this.#liveness.isDeaf;
  }

  get annotationRoom(): number {
    return MOST_ANNOTATION_BYTES -
      (this.#nodes.store.get(this.#options.hostname)?.othersBytes ?? 0);
  }

  get server(): string | undefined {
    return this.#client?.host;
  }

  get relists(): number {
    return this.#nodes.relists;
  }

  async patchOwn(
    annotations: Readonly<Record<string, string | null>>,
    { signal, isUrgent = false }: PatchOptions = {},
  ): Promise<void> {
    const { hostname } = this.#options;
    const texts = Object.values(annotations);
    const isRemoval = texts.includes(null);
    // What holds other patches up keeps nobody from seeing that this node is alive.
    const isCheckIn = Object.keys(annotations).join() === ANNOTATIONS.lastSeen && !isRemoval;
    const limit = isCheckIn ? this.#checkInLimit : this.#limit;
    const ending = new AbortController();
    using _stop = link(this.#stop.signal, ending);
    using _link = link(signal, ending);
    try {
      const client = await unlessAborted(this.#opened.promise, ending.signal);
      if (!isUrgent) await limit.take(ending.signal);
      const answer = await client.patch<RawNode>(`${NODES}/${encodeURIComponent(hostname)}`, {
        type: isRemoval ? "merge" : "strategic-merge",
        body: { metadata: { annotations } },
      }, { accept: "metadata", signal: ending.signal });
      this.#written(answer);
    } catch (error) {
      const isGone = error instanceof StatusError && error.isNotFound;
      if (isGone && texts.every((text) => text === null)) return; // nothing to be removed
      this.#throttle(error, limit);
      throw new BackendError(`annotating Node ${quote(hostname)}`, { cause: error });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#liveness[Symbol.dispose]();
    await this.#running;
    await this.#asking;
    this.#client?.[Symbol.dispose]();
  }

  /** The own Node as a write left it: known at once, and soon to be heard of. */
  #written(node: RawNode): void {
    const { name, resourceVersion } = node.metadata;
    const known = this.#nodes.store.get(name);
    if (!known || resourceVersion === undefined) return; // listed soon
    if (compareResourceVersions(resourceVersion, known.version) <= 0) return;
    if (this.#nodes.live) this.#liveness.wrote(resourceVersion);
    this.#nodes.put(node);
    this.#update();
  }

  #read(node: RawNode, last: NodeEntry | undefined): NodeEntry {
    if (node.spec && !node.spec.podCIDR) this.#polls.missing(node, performance.now());
    return readNode(node, { ...this.#options, last });
  }

  #heard(node: RawNode): void {
    const { name, resourceVersion } = node.metadata;
    if (resourceVersion !== undefined) this.#liveness.heard(resourceVersion);
    const entry = this.#nodes.store.get(name);
    if (entry?.podCIDR !== undefined || !entry) return this.#polls.forget(name);
    // Others that no agent speaks for are in no mesh, whatever their pod CIDR.
    if (name !== this.#options.hostname && !(entry.value.key && entry.value.endpoint)) return;
    if (!this.#polls.isDue(node, performance.now())) return;
    this.#wanted.add(name);
    this.#asking ??= this.#ask().finally(() => this.#asking = undefined);
  }

  /** Reads whole Nodes, since events hold none; there is no right to get a single one, but to list. */
  async #ask(): Promise<void> {
    const { signal } = this.#stop;
    for (const name of this.#wanted) {
      await this.#limit.take(signal);
      if (signal.aborted) return;
      this.#wanted.delete(name);
      const query = { fieldSelector: `metadata.name=${name}` };
      try {
        const listing = listInChunks<RawNode>({ client: this.#client!, path: NODES }, {
          query,
          signal,
        });
        for await (const nodes of listing) nodes.forEach((node) => this.#nodes.put(node));
        this.#update();
      } catch (error) {
        this.#throttle(error, this.#limit);
        this.#wanted.add(name);
        await sleep(RETRY, { signal });
      }
    }
  }

  #throttle(error: unknown, limit: TokenBucket): void {
    if (!(error instanceof StatusError) || error.retryAfter === undefined) return;
    const longest = limit === this.#checkInLimit ? LONGEST_CHECK_IN_PAUSE : Infinity;
    limit.block(Math.min(error.retryAfter, longest));
  }

  async #waitForPeerKind(client: Client): Promise<void> {
    await waitForPeerKind(client, {
      signal: this.#stop.signal,
      isListed: () => this.#peers.isComplete,
      report: (problem) => {
        this.#peerKind = problem ?? "known";
        this.#update();
      },
    });
  }

  /** Makes the cluster from what is known, and reports a change. */
  #update(): void {
    if (!this.#nodes.live) this.#liveness.clear();
    const before = this.#cluster;
    const { nodes, peers } = this.#takeChanged();
    const problems = this.#problems(nodes.length + peers.length > 0);
    if (nodes.length + peers.length === 0 && problems === before.problems) return;
    for (const name of nodes) put(this.#known.nodes, name, this.#nodes.store.get(name)?.value);
    for (const name of peers) put(this.#known.peers, name, this.#peers.store.get(name)?.value);
    const own = this.#nodes.store.get(this.#options.hostname)?.annotations;
    this.#cluster = { ...this.#known, ...this.#isComplete && own && { own }, problems };
    this.#changed({ nodes, peers });
  }

  get #isComplete(): boolean {
    return this.#nodes.isComplete && this.#peers.isComplete;
  }

  /** What to report as changed: until both lists are complete the own Node alone. */
  #takeChanged(): ClusterChange {
    if (this.#isComplete) {
      return { nodes: this.#nodes.store.takeChanged(), peers: this.#peers.store.takeChanged() };
    }
    const { hostname } = this.#options;
    const own = this.#nodes.isComplete ? this.#nodes.store.get(hostname)?.value : undefined;
    const isSame = own === this.#cluster.nodes.get(hostname);
    return { nodes: isSame ? [] : [hostname], peers: [] };
  }

  get #peersProblem(): Problem | undefined {
    if (this.#peers.isComplete || this.#peerKind === "known") return this.#peers.problem;
    return this.#peerKind === "asked for" ? undefined : this.#peerKind;
  }

  /** The same list as before if it says the same; those of objects are gathered only if some changed. */
  #problems(objectsChanged: boolean): readonly Problem[] {
    if (objectsChanged) {
      this.#objectProblems = [...this.#nodes.store.problems(), ...this.#peers.store.problems()];
    }
    const standing = [this.#nodes.problem, this.#peersProblem, this.#liveness.problem];
    const problems = [...standing.filter((problem) => problem !== undefined)]
      .concat(this.#accessProblems, this.#objectProblems);
    const before = this.#cluster.problems;
    const isSame = problems.length === before.length &&
      problems.every(({ text }, at) => text === before[at]!.text);
    return isSame ? before : problems;
  }
}

function put<V>(map: Map<string, V>, name: string, value: V | undefined): void {
  if (value === undefined) map.delete(name);
  else map.set(name, value);
}
