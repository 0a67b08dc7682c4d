/** The answers of DNS, kept while it fails. Lookups run in the background; nobody waits for them. */

import { inBackground } from "../async/background.ts";
import { equalIP, type IP } from "../net/ip.ts";
import { describeError } from "../net/text.ts";

/** All addresses of a name, never none, the preferred one first; rejects if it does not resolve. */
export type Lookup = (name: string, signal: AbortSignal) => Promise<readonly IP[]>;

interface Entry {
  /** Of the last good answer the preferred address, and the first one of the other family, if any. */
  addresses?: readonly [IP, ...IP[]];
  /** Why the last lookup failed. */
  error?: string;
  /** A lookup is under way. */
  isPending: boolean;
}

export class Resolver implements Disposable {
  readonly #lookup: Lookup;
  readonly #changed: () => void;
  /** Also of names nobody wants now: a node that comes back may find DNS dead. */
  readonly #entries = new Map<string, Entry>();
  readonly #closing = new AbortController();
  #wanted: ReadonlySet<string> = new Set();

  /** `changed` is called when a name has another address, or failed for the first time. */
  constructor(options: { readonly lookup: Lookup; readonly changed: () => void }) {
    this.#lookup = options.lookup;
    this.#changed = options.changed;
  }

  /** These are the names of interest from now on; new ones are looked up at once. */
  want(names: Iterable<string>): void {
    this.#wanted = new Set(names);
    for (const name of this.#wanted) {
      if (!this.#entries.has(name)) this.#lookUp(name);
    }
  }

  /** Looks all of them up again: once each resync period. */
  refresh(): void {
    for (const name of this.#wanted) this.#lookUp(name);
  }

  /** The preferred address of a name; undefined: it never resolved in this process, or not yet. */
  address(name: string): IP | undefined {
    return this.#entries.get(name)?.addresses?.[0];
  }

  /** The first address of the other family than that of {@link address}, if the name has one. */
  alternative(name: string): IP | undefined {
    return this.#entries.get(name)?.addresses?.[1];
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
    this.#closing.abort();
  }

  #lookUp(name: string): void {
    inBackground("look a DNS name up", () => this.#ask(name));
  }

  async #ask(name: string): Promise<void> {
    const entry = this.#entries.get(name) ?? { isPending: false };
    this.#entries.set(name, entry);
    if (entry.isPending) return;
    entry.isPending = true;
    const isNews = await this.#update(name, entry);
    entry.isPending = false;
    if (isNews && !this.#closing.signal.aborted) this.#changed();
  }

  /** True if the answer, or that there is none, is something new. */
  async #update(name: string, entry: Entry): Promise<boolean> {
    try {
      const addresses = firstOfEachFamily(await this.#lookup(name, this.#closing.signal));
      const isSame = addresses.length === entry.addresses?.length &&
        addresses.every((ip, at) => equalIP(ip, entry.addresses?.[at]));
      delete entry.error;
      entry.addresses = addresses;
      return !isSame;
    } catch (error) {
      const isFirst = entry.error === undefined;
      entry.error = describeError(error);
      return isFirst;
    }
  }
}

function firstOfEachFamily(ips: readonly IP[]): readonly [IP, ...IP[]] {
  const preferred = ips[0]!;
  const other = ips.find(({ family }) => family !== preferred.family);
  return other ? [preferred, other] : [preferred];
}
