/** What is known of a collection's objects, by name. */

import { compareResourceVersions } from "../../kubernetes/object.ts";
import type { Problem } from "../backend.ts";

/** What was made of one object. */
export interface Entry<V> {
  /** The object's resource version. */
  readonly version: string;
  /** The same value as before if it means the same; undefined: the object is invalid. */
  readonly value: V | undefined;
  readonly problems: readonly Problem[];
}

/** A list takes the place of everything, but only when it is complete: until then what was known stays. */
export class Store<V, E extends Entry<V> = Entry<V>> {
  #entries = new Map<string, E>();
  #listed: Map<string, E> | undefined;
  /** Those of the entries that have problems: few, and asked for at each change. */
  readonly #troubled = new Map<string, E>();
  readonly #changed = new Set<string>();

  get(name: string): E | undefined {
    return this.#entries.get(name);
  }

  /** A list begins. */
  begin(): void {
    this.#listed = new Map();
  }

  /** An object of the list that has begun. */
  list(name: string, entry: E): void {
    this.#listed?.set(name, entry);
  }

  /** The list is complete. */
  complete(): void {
    const listed = this.#listed ?? new Map<string, E>();
    const before = this.#entries;
    this.#listed = undefined;
    this.#entries = listed;
    for (const name of before.keys()) if (!listed.has(name)) this.#drop(name);
    for (const [name, entry] of listed) this.#note(name, before.get(name), entry);
  }

  /** An object as it is now. Ignored if a later state of it is known: answers and events overtake each other. */
  put(name: string, entry: E): void {
    const before = this.#entries.get(name);
    if (before && compareResourceVersions(entry.version, before.version) < 0) return;
    this.#entries.set(name, entry);
    this.#note(name, before, entry);
  }

  remove(name: string): void {
    if (this.#entries.delete(name)) this.#drop(name);
  }

  /** The names whose value or problems have changed since this was last asked. */
  takeChanged(): readonly string[] {
    const names = [...this.#changed];
    this.#changed.clear();
    return names;
  }

  problems(): readonly Problem[] {
    return [...this.#troubled.values()].flatMap(({ problems }) => problems);
  }

  #drop(name: string): void {
    this.#troubled.delete(name);
    this.#changed.add(name);
  }

  #note(name: string, before: E | undefined, entry: E): void {
    if (entry.problems.length > 0) this.#troubled.set(name, entry);
    else this.#troubled.delete(name);
    const same = before?.value === entry.value &&
      textsOf(before?.problems) === textsOf(entry.problems);
    if (!same) this.#changed.add(name);
  }
}

function textsOf(problems: readonly Problem[] = []): string {
  return problems.map(({ text }) => text).join("\n");
}
