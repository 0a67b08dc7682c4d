import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import type { Firewall } from "../../src/net/firewall.ts";
import { type Family, width } from "../../src/net/ip.ts";
import { contains, type Prefix } from "../../src/net/prefix.ts";
import { Cover } from "../../src/dataplane/firewall/cover.ts";
import { type DesiredFamily, diffFamily, removal } from "../../src/dataplane/firewall/diff.ts";
import { renderHostRules } from "../../src/dataplane/firewall/host_rules.ts";
import { mergePrefixes, unionIntervals } from "../../src/dataplane/firewall/intervals.ts";
import { newCovers, renderChains, renderSets } from "../../src/dataplane/firewall/rendering.ts";
import type { FirewallChange } from "../../src/netlink/nftables/change.ts";
import { firewalls, prefixes } from "./firewalls.ts";
import { SimulatedNftables } from "./simulated_nftables.ts";

const FAMILIES = [4, 6] as const;
const NAMES = { 4: "ip", 6: "ip6" } as const;

function desiredOf(firewall: Firewall, family: Family): DesiredFamily {
  return {
    table: {
      chains: renderChains(firewall, family),
      sets: renderSets(firewall, newCovers(family)),
    },
    host: renderHostRules(firewall),
  };
}

function changesTo(kernel: SimulatedNftables, firewall: Firewall): FirewallChange[] {
  return FAMILIES.flatMap((family) =>
    diffFamily(family, kernel.observe(NAMES[family]), desiredOf(firewall, family))
  );
}

/** A namespace with or without the chains that iptables makes. */
function newKernel(hasFilter: boolean): SimulatedNftables {
  const kernel = new SimulatedNftables();
  if (!hasFilter) return kernel;
  for (const family of ["ip", "ip6"] as const) {
    const place = { family, table: "filter" };
    kernel.apply([
      { kind: "table", verb: "add", table: { family, name: "filter" } },
      { kind: "chain", verb: "add", chain: { ...place, name: "FORWARD" } },
      { kind: "chain", verb: "add", chain: { ...place, name: "INPUT" } },
    ]);
  }
  return kernel;
}

Deno.test("diffFamily() leads from any firewall to any other and then finds nothing", () => {
  fc.assert(fc.property(
    fc.array(firewalls, { minLength: 2, maxLength: 4 }),
    fc.boolean(),
    (desiredStates, hasFilter) => {
      const kernel = newKernel(hasFilter);
      for (const desired of desiredStates) {
        kernel.apply(changesTo(kernel, desired));
        deepEqual(changesTo(kernel, desired), []);
        for (const family of FAMILIES) {
          const { table } = kernel.observe(NAMES[family]);
          ok(typeof table === "object");
          deepEqual(table.sets, desiredOf(desired, family).table.sets);
        }
      }
    },
  ));
});

Deno.test("diffFamily() touches elements only when the same chains are desired", () => {
  fc.assert(fc.property(firewalls, firewalls, (first, second) => {
    const kernel = newKernel(true);
    kernel.apply(changesTo(kernel, first));
    const isSame = (first.ipip === undefined) === (second.ipip === undefined) &&
      (first.forward === undefined) === (second.forward === undefined);
    const changes = changesTo(kernel, second);
    equal(changes.every(({ kind }) => kind === "elements"), isSame);
  }));
});

Deno.test("removal() leaves nothing of ours and all of others", () => {
  fc.assert(fc.property(firewalls, fc.boolean(), (desired, hasFilter) => {
    const kernel = newKernel(hasFilter);
    kernel.apply(changesTo(kernel, desired));
    for (const family of FAMILIES) {
      kernel.apply(removal(family, kernel.observe(NAMES[family])));
      deepEqual(kernel.observe(NAMES[family]), newKernel(hasFilter).observe(NAMES[family]));
    }
  }));
});

Deno.test("mergePrefixes() covers what the prefixes cover, in intervals that keep apart", () => {
  fc.assert(fc.property(prefixes, fc.constantFrom(...FAMILIES), (list, family) => {
    const intervals = mergePrefixes(list, family);
    intervals.forEach(({ start, end }, index) => {
      ok(start < end);
      const before = intervals[index - 1];
      ok(before === undefined || before.end < start);
    });
    const top = (1n << BigInt(width(family))) - 1n;
    for (let near = 0n; near < 130n; near++) {
      for (const value of [near, top - near]) {
        const isInside = intervals.some(({ start, end }) => start <= value && value < end);
        equal(isInside, list.some((prefix) => contains(prefix, { family, value })));
      }
    }
  }));
});

Deno.test("unionIntervals() covers what either covers", () => {
  fc.assert(fc.property(prefixes, prefixes, fc.constantFrom(...FAMILIES), (a, b, family) => {
    const [one, other] = [mergePrefixes(a, family), mergePrefixes(b, family)];
    deepEqual(unionIntervals(one, other), mergePrefixes([...a, ...b], family));
  }));
});

Deno.test("Cover.of() covers after any number of changes what mergePrefixes() does", () => {
  /** Lists that differ in a few places, as those of a mesh do. */
  const histories = fc.tuple(
    prefixes,
    fc.array(fc.tuple(fc.nat({ max: 12 }), fc.nat({ max: 3 }), prefixes), { maxLength: 8 }),
  );
  fc.assert(
    fc.property(histories, fc.constantFrom(...FAMILIES), ([first, edits], family) => {
      const cover = new Cover(family);
      let list: readonly Prefix[] = first;
      deepEqual(cover.of(list), mergePrefixes(list, family));
      for (const [at, removed, added] of edits) {
        list = list.toSpliced(at, removed, ...added.slice(0, 3));
        const covered = cover.of(list);
        deepEqual(covered, mergePrefixes(list, family));
        equal(cover.of([...list]), covered);
      }
    }),
    { numRuns: 500 },
  );
});
