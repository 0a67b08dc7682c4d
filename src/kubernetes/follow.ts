/** Follows a collection for as long as it is wanted: list, watch, and both again after every fault. */

import { Backoff, sleep } from "./backoff.ts";
import { ConnectionError, SilenceError, StatusError } from "./error.ts";
import { type Collection, currentResourceVersion, list } from "./list.ts";
import { compareResourceVersions, type KubernetesObject, type Representation } from "./object.ts";
import { openWatch, type WatchEvent, type WatchOptions } from "./watch.ts";

export type Update<T extends KubernetesObject> =
  /** A list begins: once it is complete it takes the place of all that was known. */
  | { readonly type: "list" }
  /** Some of the list. */
  | { readonly type: "listed"; readonly objects: readonly T[] }
  /** The list is complete. */
  | { readonly type: "complete" }
  /** From now on every change is told as it happens. */
  | { readonly type: "live" }
  /** Bookmarks too, in the order of the server. */
  | { readonly type: "events"; readonly events: readonly WatchEvent<T>[] }
  /** No longer live, or not yet; another attempt follows by itself. */
  | { readonly type: "lost"; readonly error: Error };

export interface FollowOptions {
  /** How objects come in events; in lists they are whole. */
  readonly representation: Representation;
  /** Milliseconds between two looks at what came; 0: everything at once. */
  readonly pace: number;
  /** Milliseconds without a word after which a watch is begun anew; mostly a bookmark comes each minute. */
  readonly silence: number;
  readonly signal: AbortSignal;
}

/** Seconds after which a server ends a watch: from here to twice that, so that not all come at once. */
const WATCH_SECONDS = 300;

/** Milliseconds: a watch that ended sooner did not work. */
const WORKED = 5000;

/**
 * Never throws, and ends only by `signal`. A watch goes on where the last one ended, unless the
 * server has forgotten that (410) or knows less than we do, its history being lost: then all is
 * listed again.
 */
export async function* follow<T extends KubernetesObject>(
  collection: Collection,
  options: FollowOptions,
): AsyncGenerator<Update<T>> {
  const { signal } = options;
  const backoff = new Backoff();
  const place: Place = { version: undefined };
  while (!signal.aborted) {
    let began = Infinity;
    try {
      if (place.version !== undefined) await checkHistory(collection, { place, signal });
      place.version ??= yield* listAll<T>(collection, signal);
      const watch = await openWatch<T>(collection, watchOptions(place.version, options));
      began = performance.now();
      yield { type: "live" };
      yield* advance(watch, place);
      if (performance.now() - began > WORKED) { // the time it was given is over
        backoff.reset();
        continue;
      }
      throw new ConnectionError(`${describe(collection)} ended as soon as it began`);
    } catch (error) {
      if (signal.aborted) return;
      // No bookmark is promised: a server that has seen no event of a kind since its start sends none.
      if (began < Infinity && error instanceof SilenceError) continue;
      if (error instanceof StatusError && error.isGone) place.version = undefined;
      if (performance.now() - began > WORKED) backoff.reset();
      yield { type: "lost", error: error instanceof Error ? error : new Error(String(error)) };
      await sleep(backoff.pause(error), signal);
    }
  }
}

/** How far the server's story is known; undefined: not at all. */
interface Place {
  version: string | undefined;
}

/**
 * A watch from a version that is still to come would be a silent one: a server that was restored
 * from a backup counts from there again.
 */
async function checkHistory(
  collection: Collection,
  { place, signal }: { place: Place; signal: AbortSignal },
): Promise<void> {
  const current = await currentResourceVersion(collection, signal);
  if (compareResourceVersions(current, place.version!) < 0) place.version = undefined;
}

async function* listAll<T extends KubernetesObject>(
  collection: Collection,
  signal: AbortSignal,
): AsyncGenerator<Update<T>, string> {
  yield { type: "list" };
  const listing = list<T>(collection, signal);
  for (;;) {
    const { done, value } = await listing.next();
    if (done) {
      yield { type: "complete" };
      return value;
    }
    yield { type: "listed", objects: value };
  }
}

async function* advance<T extends KubernetesObject>(
  watch: AsyncIterable<readonly WatchEvent<T>[]>,
  place: Place,
): AsyncGenerator<Update<T>> {
  for await (const events of watch) {
    place.version = events.at(-1)!.object.metadata.resourceVersion;
    yield { type: "events", events };
  }
}

function watchOptions(version: string, options: FollowOptions): WatchOptions {
  return {
    ...options,
    query: {
      resourceVersion: version,
      allowWatchBookmarks: "true",
      timeoutSeconds: Math.round(WATCH_SECONDS * (1 + Math.random())),
    },
  };
}

function describe({ client, path }: Collection): string {
  return `${client.describe("GET", path)} (watch)`;
}
