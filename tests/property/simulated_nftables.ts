/** The ruleset of one network namespace, as strict as the kernel about what changes may do. */

import { type FirewallChange } from "../../src/netlink/nftables/change.ts";
import type { Interval } from "../../src/netlink/nftables/interval.ts";
import type { ObservedRule } from "../../src/netlink/nftables/rule.ts";
import type { Hook } from "../../src/netlink/nftables/chain.ts";
import type { Observed } from "../../src/dataplane/firewall/observe.ts";
import { HOST_CHAINS, isHostRule } from "../../src/dataplane/firewall/host_rules.ts";
import { type Sets } from "../../src/dataplane/firewall/rendering.ts";

interface SimulatedChain {
  readonly hook: Hook | undefined;
  readonly rules: ObservedRule[];
}

interface SimulatedTable {
  readonly chains: Map<string, SimulatedChain>;
  readonly sets: Map<string, Interval[]>;
}

export class SimulatedNftables {
  /** By family and name. */
  readonly #tables = new Map<string, SimulatedTable>();
  #handle = 0n;

  /** Throws what would be refused; a transaction is not rolled back. */
  apply(changes: readonly FirewallChange[]): void {
    for (const change of changes) this.#change(change);
  }

  /** As `observe()` sees it. */
  observe(family: "ip" | "ip6"): Observed {
    const kilo = this.#tables.get(`${family} kilo`);
    const filter = this.#tables.get(`${family} filter`);
    return {
      table: kilo
        ? {
          chains: [...kilo.chains].map(([name, { hook, rules }]) => ({ name, hook: hook!, rules })),
          sets: Object.fromEntries(kilo.sets) as unknown as Sets,
        }
        : "absent",
      host: Object.fromEntries(HOST_CHAINS.flatMap((name) => {
        const rules = filter?.chains.get(name)?.rules;
        return rules ? [[name, rules.filter(({ comment }) => isHostRule(comment))]] : [];
      })),
    };
  }

  #change(change: FirewallChange): void {
    switch (change.kind) {
      case "table": {
        const name = `${change.table.family} ${change.table.name}`;
        if (change.verb === "delete") return remove(this.#tables, name);
        return insert(this.#tables, name, { chains: new Map(), sets: new Map() });
      }
      case "chain": {
        const { chains } = this.#table(change.chain);
        if (change.verb === "delete") return remove(chains, change.chain.name);
        return insert(chains, change.chain.name, { hook: change.chain.hook, rules: [] });
      }
      case "rule":
        return this.#changeRule(change);
      case "set":
        return insert(this.#table(change.set).sets, change.set.name, []);
      case "elements": {
        const { sets } = this.#table(change.set);
        const intervals = get(sets, change.set.name);
        const changed = change.verb === "add"
          ? change.intervals.reduce(withInterval, intervals)
          : change.intervals.reduce(withoutInterval, intervals);
        sets.set(change.set.name, changed);
      }
    }
  }

  #changeRule(change: FirewallChange & { readonly kind: "rule" }): void {
    const place = change.verb === "delete" ? change.chain : change.rule;
    const { rules } = get(this.#table(place).chains, place.chain);
    if (change.verb === "delete") {
      const at = rules.findIndex(({ handle }) => handle === change.handle);
      if (at < 0) throw new Error(`no rule ${change.handle}`);
      rules.splice(at, 1);
      return;
    }
    const { expressions, comment } = change.rule;
    const rule = { handle: ++this.#handle, expressions, comment };
    if (change.verb === "add") rules.push(rule);
    else rules.unshift(rule);
  }

  #table({ family, table }: { readonly family: string; readonly table: string }): SimulatedTable {
    return get(this.#tables, `${family} ${table}`);
  }
}

/** Sorted; refuses what overlaps. */
function withInterval(intervals: Interval[], added: Interval): Interval[] {
  if (intervals.some(({ start, end }) => start < added.end && added.start < end)) {
    throw new Error(`overlap at ${added.start}`);
  }
  return [...intervals, added].sort((a, b) => (a.start < b.start ? -1 : 1));
}

/** Refuses what is not there as it is. */
function withoutInterval(intervals: Interval[], removed: Interval): Interval[] {
  const left = intervals.filter(({ start, end }) => start !== removed.start || end !== removed.end);
  if (left.length === intervals.length) throw new Error(`no interval at ${removed.start}`);
  return left;
}

function get<T>(map: ReadonlyMap<string, T>, name: string): T {
  const value = map.get(name);
  if (value === undefined) throw new Error(`no ${name}`);
  return value;
}

function insert<T>(map: Map<string, T>, name: string, value: T): void {
  if (map.has(name)) throw new Error(`${name} exists`);
  map.set(name, value);
}

function remove(map: Map<string, unknown>, name: string): void {
  if (!map.delete(name)) throw new Error(`no ${name}`);
}
