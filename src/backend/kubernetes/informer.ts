/** An informer: what is known of one collection, and whether that is up to date. */

import { reflect, type ReflectOptions, type Update } from "../../kubernetes/reflector.ts";
import type { Collection } from "../../kubernetes/list.ts";
import type { KubernetesObject } from "../../kubernetes/object.ts";
import { describeError } from "../../net/text.ts";
import type { Problem } from "../backend.ts";
import { type Entry, Store } from "./store.ts";
import { warning } from "../../net/warning.ts";

/** Milliseconds without a byte after which the watch is opened again: mostly a bookmark comes each minute. */
const IDLE_TIMEOUT = 75_000;

export interface InformerOptions<R extends KubernetesObject, E>
  extends Pick<ReflectOptions, "representation" | "batchInterval"> {
  /** For messages: `Nodes`. */
  readonly what: string;
  /** `last`: what was known of the object with this name. */
  readonly read: (raw: R, last: E | undefined) => E;
  /** Something is new, here or in the store. */
  readonly changed: () => void;
  /** An event came and was taken over; bookmarks too. */
  readonly heard?: (object: R) => void;
}

export class Informer<R extends KubernetesObject, V, E extends Entry<V> = Entry<V>> {
  readonly store = new Store<V, E>();
  readonly #options: InformerOptions<R, E>;
  readonly #complete = Promise.withResolvers<void>();
  #stream: AbortController | undefined;
  #isComplete = false;
  #live = false;
  /** It was live, and is not live now. */
  #lost = false;
  #relists = 0;
  #problem: Problem | undefined;

  constructor(options: InformerOptions<R, E>) {
    this.#options = options;
  }

  /** Resolves when everything was listed once, or {@link run} has ended. */
  get complete(): Promise<void> {
    return this.#complete.promise;
  }

  get isComplete(): boolean {
    return this.#isComplete;
  }

  get live(): boolean {
    return this.#live;
  }

  /** How often it became live again. */
  get relists(): number {
    return this.#relists;
  }

  /** Why it is not live. */
  get problem(): Problem | undefined {
    return this.#problem;
  }

  /** Lists and watches until the signal is aborted. */
  async run(collection: Collection, signal: AbortSignal): Promise<void> {
    const { representation, batchInterval } = this.#options;
    const updates = reflect<R>(collection, {
      ...{ representation, batchInterval, idleTimeout: IDLE_TIMEOUT, signal },
      opening: (stream) => this.#stream = stream,
    });
    for await (const update of updates) this.#take(update);
    this.#complete.resolve();
  }

  /** Opens the watch again at its version, without losing events: the connection may be dead. */
  reopen(): void {
    if (this.#live) this.#stream?.abort();
  }

  #take(update: Update<R>): void {
    const { what, read, changed, heard } = this.#options;
    switch (update.type) {
      case "list":
        return this.store.begin();
      case "listed":
        for (const object of update.objects) {
          const { name } = object.metadata;
          this.store.list(name, read(object, this.store.get(name)));
        }
        return;
      case "complete":
        this.store.complete();
        this.#isComplete = true;
        this.#complete.resolve();
        break;
      case "live":
        if (this.#lost) this.#relists++;
        this.#live = true;
        this.#lost = false;
        this.#problem = undefined;
        break;
      case "events":
        for (const { type, object } of update.events) {
          if (type === "DELETED") this.store.remove(object.metadata.name);
          else if (type !== "BOOKMARK") this.put(object);
          heard?.(object);
        }
        break;
      case "lost": {
        const outcome = this.#isComplete ? "watched, what was seen stays in force" : "listed yet";
        this.#notLive(`${what} cannot be ${outcome}: ${describeError(update.error)}`);
      }
    }
    changed();
  }

  /** Takes the current state of an object, also from the answer to a patch. */
  put(object: R): void {
    const { name } = object.metadata;
    this.store.put(name, this.#options.read(object, this.store.get(name)));
  }

  #notLive(text: string): void {
    this.#lost ||= this.#live;
    this.#live = false;
    this.#problem = { ...warning("backend", this.#options.what, text), isOutage: true };
  }
}
