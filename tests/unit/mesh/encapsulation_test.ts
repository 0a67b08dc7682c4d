import assert from "node:assert/strict";
import { strategyOf, tunnelAddress } from "../../../src/mesh/encapsulation.ts";
import { ip, node, prefix, settings } from "./cluster.ts";

Deno.test("strategyOf() is never without a tunnel or a private address", () => {
  assert.equal(strategyOf(settings({ strategy: "crosssubnet" })), "crosssubnet");
  assert.equal(strategyOf(settings({ tunnel: false })), "never");
  const { privateAddress: _, ...nowhere } = settings();
  assert.equal(strategyOf(nowhere), "never");
});

Deno.test("tunnelAddress() is the first of an IPv4 pod subnet, on tunnels that are ours", () => {
  const expected = { ip: ip("10.42.1.1"), bits: 32 };
  assert.deepEqual(tunnelAddress(node(1), settings()), expected);
  assert.deepEqual(tunnelAddress(node(1), settings({ encapsulator: "cilium" })), expected);
  assert.equal(tunnelAddress(node(1), settings({ encapsulator: "flannel" })), undefined);
  assert.equal(tunnelAddress(node(1), settings({ strategy: "never" })), undefined);
  assert.equal(tunnelAddress(node(1, { subnet: prefix("fd42::/64") }), settings()), undefined);
});
