/** Values by address, asked which of the addresses lie in a network. */

import { type IP, width } from "./ip.ts";
import { network, type Prefix } from "./prefix.ts";

/** IPv4 addresses are held as numbers, which are compared much faster than bigints. */
export class AddressMap<V> {
  readonly #four = new Map<number, V>();
  readonly #six = new Map<bigint, V>();
  /** The addresses in order, made when they are asked for. */
  #numbers: Uint32Array | undefined;
  #bigints: readonly bigint[] | undefined;

  get({ family, value }: IP): V | undefined {
    return family === 4 ? this.#four.get(Number(value)) : this.#six.get(value);
  }

  /** Of two values for one address the first counts. */
  add({ family, value: address }: IP, value: V): void {
    if (family === 4) {
      const number = Number(address);
      if (this.#four.has(number)) return;
      this.#four.set(number, value);
      this.#numbers = undefined;
    } else if (!this.#six.has(address)) {
      this.#six.set(address, value);
      this.#bigints = undefined;
    }
  }

  /** The values of those in the prefix's network, in the order of the addresses. */
  within(prefix: Prefix): readonly V[] {
    const { ip, bits } = prefix;
    const host = width(ip.family) - bits;
    if (ip.family === 4) {
      const sorted = this.#numbers ??= Uint32Array.from(this.#four.keys()).sort();
      const size = 2 ** host;
      const first = Math.floor(Number(ip.value) / size) * size;
      return valuesIn(sorted, { first, end: first + size, values: this.#four });
    }
    const sorted = this.#bigints ??= [...this.#six.keys()].sort((a, b) => a < b ? -1 : 1);
    const first = network(prefix).ip.value;
    return valuesIn(sorted, { first, end: first + (1n << BigInt(host)), values: this.#six });
  }
}

function valuesIn<N extends number | bigint, V>(
  sorted: { readonly length: number; readonly [at: number]: N },
  { first, end, values }: { readonly first: N; readonly end: N; readonly values: Map<N, V> },
): readonly V[] {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < first) low = middle + 1;
    else high = middle;
  }
  if (low === sorted.length || sorted[low]! >= end) return [];
  const found: V[] = [];
  for (let at = low; at < sorted.length && sorted[at]! < end; at++) {
    found.push(values.get(sorted[at]!)!);
  }
  return found;
}
