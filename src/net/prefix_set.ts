/** Many networks, asked whether another one meets them. */

import { compareIP } from "./ip.ts";
import { comparePrefix, contains, network, overlaps, type Prefix } from "./prefix.ts";

/** A set of networks that finds an overlap by binary search, however many there are. */
export class PrefixSet {
  /** In order, and none inside another: whatever meets a network is a neighbour of its place. */
  readonly #networks: Prefix[] = [];

  constructor(prefixes: readonly Prefix[] = []) {
    // In order, each addition goes to the end.
    for (const prefix of prefixes.map(network).sort(comparePrefix)) this.add(prefix);
  }

  add(prefix: Prefix): void {
    const added = network(prefix);
    const covering = this.overlapping(added);
    if (covering && covering.bits <= added.bits) return;
    const start = this.#place(added);
    let end = start;
    while (this.#isInside(added, end)) end++;
    this.#networks.splice(start, end - start, added);
  }

  /** A network of this set that shares an address with the prefix's. */
  overlapping(prefix: Prefix): Prefix | undefined {
    const asked = network(prefix);
    const place = this.#place(asked);
    return [this.#networks[place - 1], this.#networks[place]]
      .find((neighbour) => neighbour !== undefined && overlaps(neighbour, asked));
  }

  #isInside(outer: Prefix, index: number): boolean {
    const inner = this.#networks[index];
    return inner !== undefined && contains(outer, inner.ip);
  }

  /** How many networks begin before this one. */
  #place(asked: Prefix): number {
    let low = 0;
    let high = this.#networks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareIP(this.#networks[middle]!.ip, asked.ip) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
