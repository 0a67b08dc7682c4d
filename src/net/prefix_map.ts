/** Values by network, asked which of the networks hold another one. */

import type { Family } from "./ip.ts";
import { networkKey, type Prefix } from "./prefix.ts";

/**
 * Host bits of prefixes do not count. A look-up costs one step for each prefix length that occurs,
 * mostly two or three, however many networks there are.
 */
export class PrefixMap<V> {
  readonly #values = new Map<number | bigint, V>();
  /** The prefix lengths that occur, the longest first. */
  readonly #lengths: Record<Family, number[]> = { 4: [], 6: [] };

  get(prefix: Prefix): V | undefined {
    if (!this.#lengths[prefix.ip.family].includes(prefix.bits)) return undefined;
    return this.#values.get(networkKey(prefix));
  }

  set(prefix: Prefix, value: V): void {
    this.#note(prefix);
    this.#values.set(networkKey(prefix), value);
  }

  /** Sets it only where there is nothing yet; returns what there is. */
  add(prefix: Prefix, value: V): V | undefined {
    this.#note(prefix);
    const key = networkKey(prefix);
    const present = this.#values.get(key);
    if (present === undefined) this.#values.set(key, value);
    return present;
  }

  /** In the order in which their networks first came. */
  values(): Iterable<V> {
    return this.#values.values();
  }

  /** What belongs to the smallest network that is the prefix's or contains it. */
  covering({ ip, bits }: Prefix): V | undefined {
    const lengths = this.#lengths[ip.family];
    for (const length of lengths) {
      if (length > bits) continue;
      const value = this.#values.get(networkKey({ ip, bits: length }));
      if (value !== undefined) return value;
    }
    return undefined;
  }

  /** What belongs to the smallest network that contains the prefix's and is larger. */
  around({ ip, bits }: Prefix): V | undefined {
    return bits === 0 ? undefined : this.covering({ ip, bits: bits - 1 });
  }

  #note({ ip: { family }, bits }: Prefix): void {
    const lengths = this.#lengths[family];
    if (lengths.includes(bits)) return;
    lengths.push(bits);
    lengths.sort((a, b) => b - a);
  }
}
