import assert from "node:assert/strict";
import { formatChain, formatRule, iptablesRules } from "../../../src/mesh/iptables.ts";
import { mesh, node, prefix, settings } from "./cluster.ts";

Deno.test("iptablesRules() has the IPIP rules before the NAT rules, in both families", () => {
  const { chains, append, prepend } = iptablesRules(mesh([node(1)]), settings());
  assert.deepEqual(chains.map(formatChain), [
    "4 filter -N KILO-IPIP",
    "6 filter -N KILO-IPIP",
    "4 nat -N KILO-NAT",
    "6 nat -N KILO-NAT",
  ]);
  assert.deepEqual(append.map((rule) => `${rule.family} ${rule.chain} ${rule.target}`), [
    "4 INPUT KILO-IPIP",
    "6 INPUT KILO-IPIP",
    "4 INPUT DROP",
    "6 INPUT DROP",
    "4 KILO-NAT MASQUERADE",
    "6 KILO-NAT MASQUERADE",
  ]);
  assert.deepEqual(prepend.map((rule) => `${rule.chain} ${rule.target}`), [
    "KILO-IPIP ACCEPT",
    "POSTROUTING KILO-NAT",
    "KILO-NAT RETURN",
    "KILO-NAT RETURN",
    "KILO-NAT RETURN",
    "KILO-NAT RETURN",
  ]);
});

Deno.test("iptablesRules() names equal rules once", () => {
  const twins = mesh([node(1), node(2, { internalIP: prefix("10.0.0.1/32") })]);
  const serviceCIDRs = [prefix("10.43.0.0/16"), prefix("10.43.0.0/16")];
  const { append, prepend } = iptablesRules(twins, settings({ serviceCIDRs, forwardRules: true }));
  for (const rules of [append, prepend]) {
    const texts = rules.map(formatRule);
    assert.equal(new Set(texts).size, texts.length);
  }
  assert.equal(append.filter((rule) => rule.target === "RETURN").length, 1);
});

Deno.test("formatRule() puts the comment behind the match, but first in FORWARD", () => {
  const rule = { family: 6, destination: prefix("fd42::/64"), comment: "Kilo: x" } as const;
  assert.equal(
    formatRule({ ...rule, table: "nat", chain: "KILO-NAT", target: "RETURN" }),
    '6 nat -A KILO-NAT -d fd42::/64 -m comment --comment "Kilo: x" -j RETURN',
  );
  assert.equal(
    formatRule({ ...rule, table: "filter", chain: "FORWARD", target: "ACCEPT" }),
    '6 filter -A FORWARD -m comment --comment "Kilo: x" -d fd42::/64 -j ACCEPT',
  );
});
