/** Follows a collection for as long as it is wanted: list, watch, and both again after every fault. */

import { Backoff } from "../async/backoff.ts";
import { sleep } from "../async/sleep.ts";
import { ConnectionError, ReplacedError, SilenceError, StatusError } from "./error.ts";
import { type Collection, currentResourceVersion, list, type Listing, type News } from "./list.ts";
import { link } from "./link.ts";
import { compareResourceVersions, type KubernetesObject, type Representation } from "./object.ts";
import { requestedPause, RETRY_BACKOFF } from "./retry_after.ts";
import { openWatch } from "./watch.ts";

export type Update<T extends KubernetesObject> =
  | Listing<T>
  /** No longer live, or not yet; another attempt follows by itself. */
  | { readonly type: "lost"; readonly error: Error };

export interface FollowOptions {
  /** How objects come in events; in lists, and for some seconds after one, they are whole. */
  readonly representation: Representation;
  /** Milliseconds between two looks at what came; 0: everything at once. */
  readonly pace: number;
  /** Milliseconds without a word after which a watch is begun anew; mostly a bookmark comes each minute. */
  readonly silence: number;
  readonly signal: AbortSignal;
  /** Is given what ends the stream of now: it is opened again at the version it has come to. */
  readonly opening?: (stream: AbortController) => void;
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
      if (began < Infinity && error instanceof SilenceError) continue;
      if (error instanceof StatusError && error.isGone) version = undefined;
      if (performance.now() - began > WORKED) backoff.reset();
      yield { type: "lost", error: error instanceof Error ? error : new Error(String(error)) };
      await sleep(backoff.next({ atLeast: requestedPause(error) }), { signal });
    }
  }
}

/**
 * A watch from a version that is still to come would be a silent one: a server that was restored
 * from a backup counts from there again.
 */
async function isLost(
  version: string,
  { collection, signal }: { readonly collection: Collection; readonly signal: AbortSignal },
): Promise<boolean> {
  return compareResourceVersions(await currentResourceVersion(collection, signal), version) < 0;
}

async function* watch<T extends KubernetesObject>(
  collection: Collection,
  { version, ...options }: FollowOptions & { readonly version: string },
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

/** How far the server's story is known then; undefined: as far as before. */
function versionAfter<T extends KubernetesObject>(update: Update<T>): string | undefined {
  if (update.type === "complete") return update.version;
  if (update.type === "events") return update.events.at(-1)!.object.metadata.resourceVersion;
  return undefined;
}

function describe({ client, path }: Collection): string {
  return `${client.describe("GET", path)} (watch)`;
}
