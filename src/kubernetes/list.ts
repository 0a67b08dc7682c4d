/**
 * All objects of a kind, a few at a time: nobody ever holds all of them as the server sent them. A
 * server that can streams them (WatchList, `sendInitialEvents`); others are asked for chunks.
 */

import type { Client, Query } from "./client.ts";
import { ConnectionError, StatusError } from "./error.ts";
import type { KubernetesList, KubernetesObject } from "./object.ts";
import { openWatch, type WatchEvent } from "./watch.ts";

/** Objects in a chunk: a Node is often 12 KB. */
const CHUNK = 50;

/** Milliseconds without a byte after which a streamed list counts as dead. */
const IDLE_TIMEOUT = 15_000;

/**
 * Milliseconds for which the stream of a list also brings events: at a start nothing is as dear as
 * another connection, later it is that objects come whole.
 */
const NEWS = 3000;

/** On the bookmark that ends the list within a watch. */
const INITIAL_EVENTS_END = "k8s.io/initial-events-end";

export interface Collection {
  readonly client: Client;
  /** `/api/v1/nodes` */
  readonly path: string;
}

export type Listing<T extends KubernetesObject> =
  /** A list begins: once it is complete it takes the place of all that was known. */
  | { readonly type: "list" }
  /** Some of the objects. */
  | { readonly type: "listed"; readonly objects: readonly T[] }
  /** They were all there is at this resource version. */
  | { readonly type: "complete"; readonly version: string }
  | News<T>;

export type News<T extends KubernetesObject> =
  /** From now on every change comes as an event. */
  | { readonly type: "live" }
  /** Bookmarks too, in the order of the server. */
  | { readonly type: "events"; readonly events: readonly WatchEvent<T>[] };

/**
 * Lists them: by stream, which then tells the news for some seconds, or where the server has no such
 * thing in chunks. A `StatusError` that `isGone`: begin anew. A `IdleTimeoutError`: after the list there
 * may have been no news.
 */
export async function* list<T extends KubernetesObject>(
  collection: Collection,
  signal: AbortSignal,
): AsyncGenerator<Listing<T>> {
  yield { type: "list" };
  const stream = await openStream<T>(collection, signal);
  if (stream) {
    yield* readStream(stream, `${collection.client.describe("GET", collection.path)} (list)`);
    return;
  }
  const chunks = listInChunks<T>(collection, { signal });
  for (;;) {
    const { done, value } = await chunks.next();
    if (done) return yield { type: "complete", version: value };
    yield { type: "listed", objects: value };
  }
}

/** Undefined: an older server, which refuses such a request. */
async function openStream<T extends KubernetesObject>(
  collection: Collection,
  signal: AbortSignal,
): Promise<AsyncIterable<readonly WatchEvent<T>[]> | undefined> {
  const query = {
    // As this server has it in memory: to make sure first that etcd has nothing newer takes it up to
    // 100 ms when others write at the same time, and what is newer comes as news.
    resourceVersion: "0",
    sendInitialEvents: "true",
    resourceVersionMatch: "NotOlderThan",
    allowWatchBookmarks: "true",
  };
  const options = {
    query,
    representation: "full",
    batchInterval: 0,
    idleTimeout: IDLE_TIMEOUT,
    signal,
  } as const;
  try {
    return await openWatch<T>(collection, options);
  } catch (error) {
    if (error instanceof StatusError && error.isUnsupported) return undefined;
    throw error;
  }
}

async function* readStream<T extends KubernetesObject>(
  stream: AsyncIterable<readonly WatchEvent<T>[]>,
  what: string,
): AsyncGenerator<Listing<T>> {
  let completed = Infinity;
  for await (const events of stream) {
    let news = events;
    if (completed === Infinity) {
      const end = events.findIndex(isEnd);
      const listed = end < 0 ? events : events.slice(0, end);
      const objects = listed.filter(({ type }) => type !== "BOOKMARK").map(({ object }) => object);
      yield { type: "listed", objects };
      if (end < 0) continue;
      completed = performance.now();
      yield { type: "complete", version: events[end]!.object.metadata.resourceVersion! };
      yield { type: "live" };
      news = events.slice(end + 1);
    }
    if (news.length > 0) yield { type: "events", events: news };
    if (performance.now() - completed > NEWS) return;
  }
  if (completed === Infinity) {
    throw new ConnectionError(`${what}: the stream ended before the list did`);
  }
}

function isEnd({ type, object }: WatchEvent<KubernetesObject>): boolean {
  return type === "BOOKMARK" && object.metadata.annotations?.[INITIAL_EVENTS_END] === "true";
}

/** A chunk a request, each answered by itself; returns the resource version of the list. */
export async function* listInChunks<T extends KubernetesObject>(
  { client, path }: Collection,
  options: {
    readonly signal: AbortSignal;
    /** Objects in a chunk. */
    readonly limit?: number;
    /** Such as a `fieldSelector`. */
    readonly query?: Query;
  },
): AsyncGenerator<readonly T[], string> {
  const { signal, limit = CHUNK } = options;
  let next: string | undefined;
  for (;;) {
    const query: Query = { ...options.query, limit, continue: next };
    const chunk: KubernetesList<T> = await client.get(path, { query, signal });
    yield chunk.items ?? [];
    next = chunk.metadata.continue;
    if (!next) return chunk.metadata.resourceVersion;
  }
}

/** The resource version of now; no object is read but one, and of that only metadata. */
export async function currentResourceVersion(
  { client, path }: Collection,
  signal: AbortSignal,
): Promise<string> {
  const { metadata } = await client.get<KubernetesList<unknown>>(path, {
    query: { limit: 1 },
    accept: "metadata-list",
    signal,
  });
  return metadata.resourceVersion;
}
