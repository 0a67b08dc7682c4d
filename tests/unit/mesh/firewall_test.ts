import assert from "node:assert/strict";
import { formatPrefix } from "../../../src/net/prefix.ts";
import { firewall } from "../../../src/mesh/firewall.ts";
import { loneNode, mesh, node, peer, prefix, settings } from "./cluster.ts";

const HERE = node(1, { allowedLocationIPs: [prefix("172.16.0.0/16")] });
const TOPOLOGY = mesh([HERE, node(2), loneNode(9)], { peers: [peer(1)] });

Deno.test("firewall() masquerades pods and Peers except inside the mesh", () => {
  const { nat } = firewall(TOPOLOGY, settings({ serviceCIDRs: [prefix("10.43.0.0/16")] }));
  assert.deepEqual(nat.sources.map(formatPrefix), ["10.42.1.0/24", "10.5.0.1/32"]);
  assert.deepEqual(nat.destinations.map(formatPrefix), ["172.16.0.0/16"]);
  assert.deepEqual(nat.keep.map(formatPrefix), [
    "10.42.1.0/24",
    "10.0.0.1/32",
    "10.42.2.0/24",
    "10.0.0.2/32",
    "10.4.0.1/32",
    "10.42.9.0/24",
    "10.4.0.2/32",
    "10.5.0.1/32",
    "10.43.0.0/16",
  ]);
});

Deno.test("firewall() leaves pods alone whose network is another's", () => {
  const { nat, forward } = firewall(TOPOLOGY, settings({ cni: false, forwardRules: true }));
  assert.deepEqual(nat.sources.map(formatPrefix), ["10.5.0.1/32"]);
  assert.equal(forward, undefined);
});

Deno.test("firewall() lets only the location's nodes send IPIP", () => {
  const sources = (fields: Parameters<typeof settings>[0], topology = TOPOLOGY) =>
    firewall(topology, settings(fields)).ipip?.sources.map(formatPrefix);
  assert.deepEqual(sources({}), ["10.0.0.1/32", "10.0.0.2/32"]);
  assert.deepEqual(sources({ encapsulator: "cilium" }), ["10.0.0.1/32", "10.0.0.2/32"]);
  assert.deepEqual(sources({}, mesh([node(1), node(2)], { granularity: "full" })), []);
  assert.equal(sources({ encapsulator: "flannel" }), undefined);
  assert.equal(sources({ strategy: "never" }), undefined);
  assert.equal(sources({ tunnel: false }), undefined);
  assert.equal(sources({ local: false }), undefined);
});

Deno.test("firewall() accepts forwarded traffic of the location on its leader, of the node elsewhere", () => {
  const forward = (hostname: string) =>
    firewall(mesh([HERE, node(2)], { hostname }), settings({ forwardRules: true }))
      .forward?.map(formatPrefix);
  assert.deepEqual(forward("n1"), [
    "10.42.1.0/24",
    "10.42.2.0/24",
    "172.16.0.0/16",
    "10.0.0.1/32",
    "10.0.0.2/32",
  ]);
  assert.deepEqual(forward("n2"), ["10.42.2.0/24"]);
  assert.equal(firewall(TOPOLOGY, settings()).forward, undefined);
});
