import assert from "node:assert/strict";
import { formatIP } from "../../../src/net/ip.ts";
import { formatPrefix } from "../../../src/net/prefix.ts";
import { TopologyError } from "../../../src/mesh/topology.ts";
import { endpoint, ip, key, loneNode, mesh, node, peer, prefix } from "./cluster.ts";

Deno.test("topology() puts nodes of one location into one segment, lone nodes into their own", () => {
  const { segments, localSegment, isLeader } = mesh([
    node(3, { location: "a" }),
    node(1),
    loneNode(2),
    node(4),
  ]);
  assert.deepEqual(
    segments.map(({ location, nodes }) => [location, ...nodes.map((node) => node.name)]),
    [["location:a", "n3"], ["location:l", "n1", "n4"], ["node:n2", "n2"]],
  );
  assert.equal(localSegment, segments[1]);
  assert.equal(isLeader, true);
});

Deno.test("topology() gives each node a segment with full granularity", () => {
  const { segments } = mesh([node(2), node(1)], { granularity: "full" });
  assert.deepEqual(segments.map((segment) => segment.location), ["node:n1", "node:n2"]);
});

Deno.test("topology() sorts names by bytes, not by locale", () => {
  const named = ["é", "z", "B", "a", "n1"].map((name, at) => node(at + 1, { name }));
  assert.deepEqual(
    mesh(named).segments[0]?.nodes.map((node) => node.name),
    ["B", "a", "n1", "z", "é"],
  );
});

Deno.test("topology() allows pod subnets and internal addresses, last the WireGuard address", () => {
  const { segments } = mesh([node(1), node(2)]);
  assert.deepEqual(
    segments[0]?.allowedIPs.map(formatPrefix),
    ["10.42.1.0/24", "10.0.0.1/32", "10.42.2.0/24", "10.0.0.2/32", "10.4.0.1/32"],
  );
});

Deno.test("topology() gives out every address above the subnet's base", () => {
  const nodes = [1, 2, 3].map((number) => loneNode(number));
  const addresses = mesh(nodes, { subnet: prefix("10.4.0.255/30") }).segments
    .map((segment) => formatIP(segment.wireGuardIP));
  assert.deepEqual(addresses, ["10.4.0.253", "10.4.0.254", "10.4.0.255"]);
});

Deno.test("topology() refuses more segments than the subnet has addresses", () => {
  const nodes = [1, 2, 3, 4].map((number) => loneNode(number));
  assert.throws(() => mesh(nodes, { subnet: prefix("10.4.0.0/30") }), TopologyError);
  const last = { subnet: prefix("255.255.255.252/30") };
  assert.throws(() => mesh(nodes, last), TopologyError);
});

Deno.test("topology() refuses a view of a node that is not there", () => {
  assert.throws(() => mesh([node(1)], { hostname: "n9" }), /node n9 is not among the ready nodes/);
});

Deno.test("topology() leaves an allowed IP to the first Peer by name that claims it", () => {
  const twice = [prefix("10.5.0.7/24"), prefix("10.5.0.7/24"), prefix("10.5.0.0/24")];
  const { peers, warnings } = mesh([node(1)], {
    peers: [peer(2, { allowedIPs: [prefix("10.5.0.7/24")] }), peer(1, { allowedIPs: twice })],
  });
  assert.deepEqual(
    peers.map(({ name, allowedIPs }) => [name, ...allowedIPs.map(formatPrefix)]),
    [["p1", "10.5.0.7/24", "10.5.0.0/24"], ["p2"]],
  );
  assert.deepEqual(warnings.map(({ text }) => text), [
    "allowed IP 10.5.0.7/24 of Peer p2 is ignored: Peer p1 claims it",
  ]);
});

Deno.test("topology() believes its own eyes first, then the other nodes in order", () => {
  const seen = (text: string) => ({ ip: ip(text), port: 1 });
  const { discoveredEndpoints } = mesh([
    node(2, { discoveredEndpoints: new Map([["a", seen("192.0.2.2")], ["b", seen("192.0.2.2")]]) }),
    node(3, { discoveredEndpoints: new Map([["b", seen("192.0.2.3")], ["c", seen("192.0.2.3")]]) }),
    node(1, { discoveredEndpoints: new Map([["a", seen("192.0.2.1")]]) }),
  ]);
  assert.deepEqual(
    [...discoveredEndpoints].map(([key, endpoint]) => [key, formatIP(endpoint.ip)]),
    [["a", "192.0.2.1"], ["b", "192.0.2.2"], ["c", "192.0.2.3"]],
  );
});

Deno.test("topology() reaches only leaders behind NAT where they were seen", () => {
  const seen = { ip: ip("192.0.2.9"), port: 9 };
  const discoveredEndpoints = new Map([[key(2), seen], [key(3), seen]] as const);
  const { segments } = mesh([
    loneNode(1, { discoveredEndpoints }),
    loneNode(2, { persistentKeepalive: 25 }),
    loneNode(3),
  ]);
  assert.deepEqual(segments[1]?.endpoint, seen);
  assert.deepEqual(segments[2]?.endpoint, endpoint("10.0.0.3:51820"));
});
