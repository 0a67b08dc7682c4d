/**
 * The answers of DNS, kept while it fails. Lookups run in the background, a few at a time, and nobody
 * waits for them; the names are looked up again spread over each resync period.
 */

import { inBackground } from "../async/background.ts";
import { type Clock, SYSTEM_CLOCK } from "../async/clock.ts";
import { type Addresses, LookupError } from "../dns/resolver.ts";
import { equalIP, type IP } from "../net/ip.ts";
import { describeError } from "../net/text.ts";
import { failureOf } from "./lookup.ts";

/** All addresses of a name by family, the preferred one first; rejects if nobody could be asked. */
export type Lookup = (name: string) => Promise<Addresses>;

/** Lookups at once: each takes two sockets, of which the agent needs some for other things. */
const MOST_AT_ONCE = 32;

/** The part of a period over which its lookups are spread; the rest is for slow answers. */
const SPREAD = 0.8;

/**
 * Milliseconds for which the answer for a name that nobody wants is kept, and of how many names: a
 * node that comes back may find DNS dead.
 */
const KEPT_FOR = 3_600_000;
const MOST_KEPT = 1000;

interface Entry {
  /** The preferred address of the last good answer, in each family. */
  A?: IP;
  AAAA?: IP;
  /** Why the last lookup failed. */
  error?: string;
  /** When its name was last wanted, if it is not now; milliseconds. */
  unwantedSince?: number;
}

export interface ResolverOptions {
  readonly lookup: Lookup;
  /** Called when a name has another address, or failed for the first time. */
  readonly changed: () => void;
  /** Milliseconds over which a {@link Resolver.refresh} is spread. */
  readonly period: number;
  readonly clock?: Clock;
}

export class Resolver implements Disposable {
  readonly #options: ResolverOptions;
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();
  #wanted: ReadonlySet<string> = new Set();
  /** Never looked up so far: at once. */
  readonly #fresh = new Set<string>();
  /** To be looked up again: one every {@link #interval} milliseconds. */
  readonly #again = new Set<string>();
  readonly #running = new Set<string>();
  #interval = 0;
  /** When the next one is looked up again. */
  #nextAgain = 0;
  #timer: Disposable | undefined;
  #isClosed = false;

  constructor(options: ResolverOptions) {
    this.#options = options;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
  }

  /** These are the names of interest from now on; new ones are looked up as soon as possible. */
  want(names: Iterable<string>): void {
    this.#wanted = new Set(names);
    for (const name of this.#wanted) {
      const entry = this.#entries.get(name);
      if (entry) delete entry.unwantedSince;
      else {
        this.#entries.set(name, {});
        this.#fresh.add(name);
      }
    }
    this.#forget();
    this.#startDue();
  }

  /** Looks all of them up again within the period: once each resync. */
  refresh(): void {
    this.#forget();
    for (const name of this.#wanted) {
      if (!this.#fresh.has(name) && !this.#running.has(name)) this.#again.add(name);
    }
    if (this.#again.size === 0) return;
    this.#interval = this.#options.period * SPREAD / this.#again.size;
    this.#nextAgain = Math.min(this.#nextAgain, this.#clock.now() + this.#interval);
    this.#startDue();
  }

  /** The preferred address of a name; undefined: it never resolved in this process, or not yet. */
  address(name: string): IP | undefined {
    const { A, AAAA } = this.#entries.get(name) ?? {};
    return A ?? AAAA;
  }

  /** The first address of the other family than that of {@link address}, if the name has one. */
  alternative(name: string): IP | undefined {
    const { A, AAAA } = this.#entries.get(name) ?? {};
    return A && AAAA;
  }

  /** The names whose last lookup failed, and why; earlier addresses stay. */
  failures(): ReadonlyMap<string, string> {
    const failures = new Map<string, string>();
    for (const name of this.#wanted) {
      const error = this.#entries.get(name)?.error;
      if (error !== undefined) failures.set(name, error);
    }
    return failures;
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#timer?.[Symbol.dispose]();
  }

  /** Forgets answers that nobody has wanted for long, or the oldest of too many. */
  #forget(): void {
    const now = this.#clock.now();
    const unwanted: { name: string; since: number }[] = [];
    for (const [name, entry] of this.#entries) {
      if (this.#wanted.has(name)) continue;
      entry.unwantedSince ??= now;
      unwanted.push({ name, since: entry.unwantedSince });
    }
    unwanted.sort((a, b) => b.since - a.since);
    for (const [at, { name, since }] of unwanted.entries()) {
      const isKept = at < MOST_KEPT && now - since < KEPT_FOR &&
        this.address(name) !== undefined;
      if (!isKept) this.#entries.delete(name);
      this.#fresh.delete(name);
      this.#again.delete(name);
    }
  }

  /** Starts as many lookups as may run now; a timer starts the others. */
  #startDue(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    if (this.#isClosed) return;
    while (this.#running.size < MOST_AT_ONCE) {
      const name = this.#take();
      if (name === undefined) return;
      if (!this.#running.has(name)) this.#start(name);
    }
  }

  /** The next name that is due; sets the timer if there is one later. */
  #take(): string | undefined {
    const [fresh] = this.#fresh;
    if (fresh !== undefined) {
      this.#fresh.delete(fresh);
      return fresh;
    }
    const [again] = this.#again;
    if (again === undefined) return undefined;
    const wait = this.#nextAgain - this.#clock.now();
    if (wait > 0) {
      this.#timer = this.#clock.after(wait, () => this.#startDue());
      return undefined;
    }
    this.#again.delete(again);
    this.#nextAgain = Math.max(this.#nextAgain, this.#clock.now() - this.#options.period) +
      this.#interval;
    return again;
  }

  #start(name: string): void {
    this.#running.add(name);
    inBackground("look a DNS name up", async () => {
      const isNews = await this.#update(name);
      this.#running.delete(name);
      if (this.#isClosed) return;
      if (isNews) this.#options.changed();
      this.#startDue();
    });
  }

  /** True if the answer, or that there is none, is something new. Never rejects. */
  async #update(name: string): Promise<boolean> {
    try {
      const found = await this.#options.lookup(name);
      const entry = this.#entries.get(name);
      return entry !== undefined && takeOver(entry, found, name);
    } catch (error) {
      const entry = this.#entries.get(name);
      if (!entry) return false;
      const isFirst = entry.error === undefined;
      entry.error = describeError(error);
      return isFirst;
    }
  }
}

/**
 * Takes an answer into the entry; true if an address is another. A family that nobody could tell of
 * keeps the address it had. Throws if the name has no address at all now.
 */
function takeOver(entry: Entry, found: Addresses, name: string): boolean {
  const hasSome = [found.A, found.AAAA]
    .some((ips) => !(ips instanceof LookupError) && ips.length > 0);
  if (!hasSome) throw failureOf(found, name);
  delete entry.error;
  let isNews = false;
  for (const family of ["A", "AAAA"] as const) {
    const ips = found[family];
    if (ips instanceof LookupError) continue;
    if (!equalIP(entry[family], ips[0])) isNews = true;
    if (ips[0]) entry[family] = ips[0];
    else delete entry[family];
  }
  return isNews;
}
