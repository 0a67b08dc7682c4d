/** The addresses that a changing list of prefixes covers. */

import type { Family } from "../../net/ip.ts";
import { equalPrefix, type Prefix } from "../../net/prefix.ts";
import type { Interval } from "../../netlink/nftables/interval.ts";
import { changedPart } from "../changed_part.ts";
import { countUntil, mergePrefixes } from "./intervals.ts";

/**
 * Remembers the last list, and computes again only around what changed: one peer more among 15,000
 * costs a comparison of two lists, not a sort.
 */
export class Cover {
  readonly #family: Family;
  #prefixes: readonly Prefix[] = [];
  #intervals: readonly Interval[] = [];

  constructor(family: Family) {
    this.#family = family;
  }

  /** As {@link mergePrefixes}; the same array as the last time if the same is covered by equal prefixes. */
  of(prefixes: readonly Prefix[]): readonly Interval[] {
    const { before, after } = changedPart({ before: this.#prefixes, after: prefixes }, equalPrefix);
    const changed = [...before, ...after].filter(({ ip }) => ip.family === this.#family);
    this.#prefixes = prefixes;
    if (changed.length === 0) return this.#intervals;
    this.#intervals = this.#intervals.length === 0
      ? mergePrefixes(prefixes, this.#family)
      : this.#replaceAround(changed);
    return this.#intervals;
  }

  /**
   * The intervals that a changed prefix meets, and the room between them, are computed again. No other
   * prefix reaches into there, for intervals neither overlap nor touch.
   */
  #replaceAround(changed: readonly Prefix[]): readonly Interval[] {
    const old = this.#intervals;
    const room = mergePrefixes(changed, this.#family);
    const low = room[0]!.start;
    const high = room.at(-1)!.end;
    const first = countUntil(old, ({ end }) => end >= low);
    const behind = countUntil(old, ({ start }) => start > high);
    const met = old.slice(first, behind);
    const start = met.length > 0 && met[0]!.start < low ? met[0]!.start : low;
    const end = met.length > 0 && met.at(-1)!.end > high ? met.at(-1)!.end : high;
    const inside = this.#prefixes.filter(({ ip }) =>
      ip.family === this.#family && ip.value >= start && ip.value < end
    );
    return [...old.slice(0, first), ...mergePrefixes(inside, this.#family), ...old.slice(behind)];
  }
}
