/** Reflects a collection: list, then watch, and again after each fault, until the caller ends it. */

import { Backoff } from "../async/backoff.ts";
import { sleep } from "../async/sleep.ts";
import { ConnectionError, IdleTimeoutError, ReplacedError, StatusError } from "./error.ts";
import { type Collection, currentResourceVersion, list, type Listing, type News } from "./list.ts";
import { link } from "./link.ts";
import { compareResourceVersions, type KubernetesObject, type Representation } from "./object.ts";
import { requestedPause, RETRY_BACKOFF } from "./retry_after.ts";
import { openWatch } from "./watch.ts";

export type Update<T extends KubernetesObject> =
  | Listing<T>
  /** Not live, or not yet. Another attempt follows by itself. */
  | { readonly type: "lost"; readonly error: Error };

export interface ReflectOptions {
  /** How objects come in events; in lists, and for some seconds after one, they are whole. */
  readonly representation: Representation;
  /** Milliseconds between two batches of events; 0: each as it comes. */
  readonly batchInterval: number;
  /** Milliseconds without a byte after which the watch is opened again; mostly a bookmark comes each minute. */
  readonly idleTimeout: number;
  readonly signal: AbortSignal;
  /** Takes what ends the current stream; it is then opened again at the version it has come to. */
  readonly opening?: (stream: AbortController) => void;
}

/** Seconds after which a server ends a watch: from this to twice as many, to keep clients apart. */
const WATCH_SECONDS = 300;

/** Milliseconds: a watch that ended sooner did not work. */
const WORKED = 5000;

/**
 * Never throws; only `signal` ends it. A watch continues at the version where the last one ended. If
 * the server has forgotten that version (410), or has lost its history and counts from a lower one,
 * everything is listed again.
 */
export async function* reflect<T extends KubernetesObject>(
  collection: Collection,
  options: ReflectOptions,
): AsyncGenerator<Update<T>> {
  const { signal } = options;
  const backoff = new Backoff(RETRY_BACKOFF);
  let version: string | undefined;
  while (!signal.aborted) {
    let began = Infinity;
    const stream = new AbortController();
    using _link = link(signal, stream);
    options.opening?.(stream);
    try {
      if (version !== undefined && await isLost(version, { collection, signal })) {
        version = undefined;
      }
      const isList = version === undefined;
      const updates = version === undefined
        ? list<T>(collection, stream.signal)
        : watch<T>(collection, { version, ...options, signal: stream.signal });
      for await (const update of updates) {
        if (update.type === "live") began = performance.now();
        version = versionAfter(update) ?? version;
        yield update;
      }
      if (isList || stream.signal.aborted) continue;
      if (performance.now() - began > WORKED) { // the time it was given is over
        backoff.reset();
        continue;
      }
      throw new ConnectionError(`${describe(collection)} ended as soon as it began`);
    } catch (error) {
      if (signal.aborted) return;
      if (stream.signal.aborted) continue;
      if (error instanceof ReplacedError) continue;
      // No bookmark is promised: a server that has seen no event of a kind since its start sends none.
      if (began < Infinity && error instanceof IdleTimeoutError) continue;
      if (error instanceof StatusError && error.isGone) version = undefined;
      if (performance.now() - began > WORKED) backoff.reset();
      yield { type: "lost", error: error instanceof Error ? error : new Error(String(error)) };
      await sleep(backoff.next({ atLeast: requestedPause(error) }), { signal });
    }
  }
}

/**
 * Is the server's version lower than ours? A server restored from a backup counts from there again, and
 * a watch from a version of the future receives no events.
 */
async function isLost(
  version: string,
  { collection, signal }: { readonly collection: Collection; readonly signal: AbortSignal },
): Promise<boolean> {
  return compareResourceVersions(await currentResourceVersion(collection, signal), version) < 0;
}

async function* watch<T extends KubernetesObject>(
  collection: Collection,
  { version, ...options }: ReflectOptions & { readonly version: string },
): AsyncGenerator<News<T>> {
  const query = {
    resourceVersion: version,
    allowWatchBookmarks: "true",
    timeoutSeconds: Math.round(WATCH_SECONDS * (1 + Math.random())),
  };
  const stream = await openWatch<T>(collection, { ...options, query });
  yield { type: "live" };
  for await (const events of stream) yield { type: "events", events };
}

/** The version up to which the collection is known after this update; undefined: as before. */
function versionAfter<T extends KubernetesObject>(update: Update<T>): string | undefined {
  if (update.type === "complete") return update.version;
  if (update.type === "events") return update.events.at(-1)!.object.metadata.resourceVersion;
  return undefined;
}

function describe({ client, path }: Collection): string {
  return `${client.describe("GET", path)} (watch)`;
}
