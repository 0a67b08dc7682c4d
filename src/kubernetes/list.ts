/**
 * All objects of a kind, a few at a time: nobody ever holds all of them as the server sent them. A
 * server that can streams them (WatchList, `sendInitialEvents`); others are asked for chunks.
 */

import type { Client, Query } from "./client.ts";
import { ConnectionError, StatusError } from "./error.ts";
import type { KubernetesList, KubernetesObject } from "./object.ts";
import { openWatch } from "./watch.ts";

/** Objects in a chunk: a Node is often 12 KB. */
const CHUNK = 50;

/** Milliseconds without a byte after which a streamed list counts as dead. */
const SILENCE = 15_000;

/** On the bookmark that ends the list within a watch. */
const INITIAL_EVENTS_END = "k8s.io/initial-events-end";

export interface Collection {
  readonly client: Client;
  /** `/api/v1/nodes` */
  readonly path: string;
}

/** Yields the objects; returns the resource version at which they were all there is. */
export type Listing<T> = AsyncGenerator<readonly T[], string>;

/** By stream where the server has that, else in chunks. A `StatusError` that `isGone`: begin anew. */
export async function* list<T extends KubernetesObject>(
  collection: Collection,
  signal: AbortSignal,
): Listing<T> {
  try {
    return yield* listByWatch<T>(collection, signal);
  } catch (error) {
    if (!(error instanceof StatusError && error.isUnsupported)) throw error;
  }
  return yield* listInChunks<T>(collection, { signal });
}

/** Rejected before the first object with a `StatusError` that `isUnsupported` by older servers. */
export async function* listByWatch<T extends KubernetesObject>(
  collection: Collection,
  signal: AbortSignal,
): Listing<T> {
  const query = {
    sendInitialEvents: "true",
    resourceVersionMatch: "NotOlderThan",
    allowWatchBookmarks: "true",
  };
  const options = { query, representation: "full", pace: 0, silence: SILENCE, signal } as const;
  for await (const events of await openWatch<T>(collection, options)) {
    const objects: T[] = [];
    for (const { type, object } of events) {
      if (type !== "BOOKMARK") objects.push(object);
      else if (object.metadata.annotations?.[INITIAL_EVENTS_END] === "true") {
        yield objects;
        return object.metadata.resourceVersion!;
      }
    }
    yield objects;
  }
  const what = collection.client.describe("GET", collection.path);
  throw new ConnectionError(`${what} (list): the stream ended before the list did`);
}

/** A chunk a request, each answered by itself; `limit` objects a chunk. */
export async function* listInChunks<T extends KubernetesObject>(
  { client, path }: Collection,
  options: {
    readonly signal: AbortSignal;
    readonly limit?: number;
    /** Such as a `fieldSelector`. */
    readonly query?: Query;
  },
): Listing<T> {
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
