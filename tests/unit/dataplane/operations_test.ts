import assert from "node:assert/strict";
import { diffFamily, removal } from "../../../src/dataplane/firewall/diff.ts";
import { renderHostRules } from "../../../src/dataplane/firewall/host_rules.ts";
import type { Observed } from "../../../src/dataplane/firewall/observe.ts";
import { observeOperations, operationsOf } from "../../../src/dataplane/firewall/operations.ts";
import { newCovers, renderChains, renderSets } from "../../../src/dataplane/firewall/rendering.ts";
import type { Firewall } from "../../../src/net/firewall.ts";
import { parsePrefix } from "../../../src/net/prefix.ts";

const prefixes = (...texts: readonly string[]) => texts.map((text) => parsePrefix(text)!);

const DESIRED: Firewall = {
  nat: {
    sources: prefixes("10.42.0.0/24"),
    destinations: [],
    keep: prefixes("10.4.0.1/32", "10.42.1.0/24"),
  },
  ipip: { sources: prefixes("10.0.0.1/32") },
  forward: prefixes("10.42.0.0/24"),
};

function table(desired: Firewall) {
  return { chains: renderChains(desired, 4), sets: renderSets(desired, newCovers(4)) };
}

/** As `operation table/chain × count`, summed up. */
function summary(changes: Parameters<typeof operationsOf>[0]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const { protocol, operation, table, chain, count } of operationsOf(changes)) {
    assert.equal(protocol, "IPv4");
    const key = `${operation} ${table}/${chain}`;
    sums[key] = (sums[key] ?? 0) + count;
  }
  return sums;
}

Deno.test("operationsOf() counts a new firewall under the chains of the original", () => {
  const observed: Observed = { table: "absent", host: { FORWARD: [] } };
  const desired = { table: table(DESIRED), host: renderHostRules(DESIRED) };
  assert.deepEqual(summary(diffFamily(4, observed, desired)), {
    "NewChain nat/KILO-NAT": 1,
    "AppendUnique nat/KILO-NAT": 3,
    "NewChain filter/KILO-IPIP": 1,
    "AppendUnique filter/KILO-IPIP": 1,
    "NewChain filter/FORWARD": 1,
    "AppendUnique filter/FORWARD": 2,
    "InsertUnique nat/POSTROUTING": 1,
    "InsertUnique nat/KILO-NAT": 2,
    "InsertUnique filter/KILO-IPIP": 1,
    "InsertUnique filter/FORWARD": 2,
  });
});

Deno.test("operationsOf() counts members that come and go, and a firewall that goes", () => {
  const observed: Observed = { table: table(DESIRED), host: {} };
  const other = {
    ...DESIRED,
    nat: { ...DESIRED.nat, keep: prefixes("10.42.1.0/24", "10.9.0.0/16") },
  };
  assert.deepEqual(summary(diffFamily(4, observed, { table: table(other), host: {} })), {
    "Delete nat/KILO-NAT": 1,
    "InsertUnique nat/KILO-NAT": 1,
  });
  assert.deepEqual(summary(removal(4, observed)), { "DeleteChain nat/KILO-NAT": 1 });
});

Deno.test("lookOperations() lists the chains of both tables", () => {
  const observe = { protocol: "IPv6", operation: "ListChains", chain: "*", count: 1 };
  assert.deepEqual(observeOperations(6), [{ ...observe, table: "nat" }, {
    ...observe,
    table: "filter",
  }]);
});
