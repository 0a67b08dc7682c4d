/** Many addresses, asked which of them lie in a network. */

import { compareIP, type IP } from "./ip.ts";
import { contains, network, type Prefix } from "./prefix.ts";

export class AddressSet {
  /** Of IPv4, in order, each once; and the same as numbers, which are compared much faster. */
  readonly #four: readonly IP[];
  readonly #numbers: Uint32Array;
  /** Of IPv6, in order, each once. */
  readonly #six: readonly IP[];

  constructor(addresses: Iterable<IP>) {
    const all = [...addresses];
    const four = new Map<number, IP>();
    for (const ip of all) if (ip.family === 4) four.set(Number(ip.value), ip);
    this.#numbers = Uint32Array.from(four.keys()).sort();
    this.#four = Array.from(this.#numbers, (number) => four.get(number)!);
    const six = all.filter(({ family }) => family === 6).sort(compareIP);
    this.#six = six.filter((ip, at) => at === 0 || compareIP(ip, six[at - 1]!) !== 0);
  }

  /** Those in the prefix's network, in order; found by binary search. */
  within(prefix: Prefix): readonly IP[] {
    const { ip, bits } = prefix;
    if (ip.family === 4) {
      const host = 2 ** (32 - bits);
      const start = Math.floor(Number(ip.value) / host) * host;
      const from = placeOf(this.#numbers.length, (at) => this.#numbers[at]! < start);
      let to = from;
      while (to < this.#numbers.length && this.#numbers[to]! < start + host) to++;
      return from === to ? NONE : this.#four.slice(from, to);
    }
    const { ip: start } = network(prefix);
    const from = placeOf(this.#six.length, (at) => compareIP(this.#six[at]!, start) < 0);
    let to = from;
    while (to < this.#six.length && contains(prefix, this.#six[to]!)) to++;
    return this.#six.slice(from, to);
  }
}

const NONE: readonly IP[] = [];

/** How many of the first elements are before the place that is looked for. */
function placeOf(length: number, isBefore: (at: number) => boolean): number {
  let [low, high] = [0, length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}
