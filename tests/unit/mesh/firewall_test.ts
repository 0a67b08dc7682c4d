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

Deno.test("firewall() lets the location's nodes send IPIP from where they say, too", () => {
  const from = (text: string) => ({ encapsulationIP: prefix(text) });
  const topology = mesh([
    node(1, from("10.0.0.101/24")),
    node(2, from("10.0.0.2/32")),
    node(3, from("fd00::3/128")),
    node(4, { location: "m", ...from("10.0.0.104/32") }),
    loneNode(5, from("10.0.0.105/32")),
  ]);
  const { ipip, nat } = firewall(topology, settings());
  assert.deepEqual(ipip?.sources.map(formatPrefix), [
    ...["10.0.0.1/32", "10.0.0.2/32", "10.0.0.3/32"],
    ...["10.0.0.101/32", "fd00::3/128"],
  ]);
  assert.ok(!nat.keep.map(formatPrefix).includes("10.0.0.101/32"), "nothing else is meant");
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
