import assert from "node:assert/strict";
import { formatIP } from "../../../src/net/ip.ts";
import { formatPrefix } from "../../../src/net/prefix.ts";
import { endpoint, ip, key, loneNode, mesh, node, peer, prefix } from "./cluster.ts";
import { allowed, applied, HOST, networks, routes, texts } from "./host.ts";

Deno.test("protect() routes around endpoints, those of Peers and those in use too", () => {
  const location = { location: "m", endpoint: endpoint("203.0.113.9:1") };
  const nodes = [
    node(1),
    loneNode(3, { ...location, allowedLocationIPs: [prefix("203.0.113.8/30")] }),
  ];
  const peers = [
    peer(1, { endpoint: endpoint("203.0.3.50:1"), ...networks("203.0.3.50/31") }),
    peer(2, networks("198.51.100.4/31", "198.51.100.8/32")),
  ];
  const inUse = [
    { publicKey: key(202), ip: ip("198.51.100.4"), hasLived: true },
    { publicKey: key(202), ip: ip("198.51.100.8"), hasLived: true },
    { publicKey: key(201), ip: ip("203.0.3.51"), hasLived: false }, // given up for the declared one
  ];
  const desired = applied(mesh(nodes, { peers }), { endpoints: inUse });
  assert.deepEqual(routes(desired), [
    "203.0.113.9/32 10.0.0.254",
    "203.0.3.50/32 10.0.0.254",
    "198.51.100.4/32 10.0.0.254",
    "10.42.3.0/24 10.4.0.2",
    "203.0.113.8/30 10.4.0.2",
    "203.0.3.50/31 kilo",
    "198.51.100.4/31 kilo",
  ]);
  assert.deepEqual(texts(desired), [
    "protected (Peer p1) Peer p1: 203.0.3.50/31 is routed but for the endpoint 203.0.3.50",
    "protected (Peer p2) Peer p2: 198.51.100.4/31 is routed but for the endpoint 198.51.100.4",
    "protected (Peer p2) Peer p2: 198.51.100.8/32 is not routed: it is the endpoint 198.51.100.8",
    "protected (node n3) node n3: 203.0.113.8/30 is routed but for the endpoint 203.0.113.9",
  ]);
  const left = desired.firewall.nat.keep.map(formatPrefix).filter((text) =>
    /^(203|198)/.test(text)
  );
  assert.deepEqual(left, ["203.0.3.51/32", "198.51.100.5/32"]);
  assert.deepEqual(allowed(desired.device).slice(1), [
    "203.0.3.50/31",
    "198.51.100.4/31,198.51.100.8/32",
  ]);
});

Deno.test("protect() routes around servers that are reached without the mesh, but not a node's", () => {
  const server = (address: string) => ({ ip: ip(address), role: "API server" }) as const;
  const servers = [
    server("172.16.0.2"),
    server("172.17.0.9"),
    server("10.9.0.3"),
    server("172.18.0.1"),
  ];
  const far = node(3, {
    location: "m",
    endpoint: endpoint("203.0.113.31:1"),
    internalIP: prefix("10.9.0.3/24"),
    allowedLocationIPs: [prefix("172.17.0.8/31"), prefix("172.18.0.1/32")],
  });
  const peers = [peer(1, networks("172.16.0.2/31", "172.16.0.2/32"))];
  const desired = applied(mesh([node(1), far], { peers }), { servers });
  assert.deepEqual(routes(desired), [
    "172.17.0.9/32 10.0.0.254",
    "172.16.0.2/32 10.0.0.254",
    "10.42.3.0/24 10.4.0.2",
    "10.9.0.3/32 10.4.0.2",
    "172.17.0.8/31 10.4.0.2",
    "172.18.0.1/32 10.4.0.2",
    "172.16.0.2/31 kilo",
  ]);
});

Deno.test("protect() sends no first packet where it would not enter the tunnel", () => {
  const peers = [peer(1, { endpoint: endpoint("10.5.0.1:1") }), peer(2)];
  const { device } = applied(mesh([node(1)], { peers }));
  assert.deepEqual(device.peers.map(({ probe }) => probe && formatIP(probe)), [
    undefined,
    "10.5.0.2",
  ]);
});

Deno.test("protect() leaves out a network around an address that nothing else leads to", () => {
  const peers = [peer(1, { endpoint: endpoint("203.0.3.50:1"), ...networks("203.0.3.0/24") })];
  const desired = applied(mesh([node(1)], { peers }), { ways: [] });
  assert.deepEqual(routes(desired), []);
  assert.deepEqual(texts(desired), [
    "protected (Peer p1) Peer p1: 203.0.3.0/24 is not routed: " +
    "it holds the endpoint 203.0.3.50, to which no other route of this host leads",
  ]);
});

Deno.test("protect() keeps what the host reaches by a smaller network apart without a route", () => {
  const peers = [peer(1, { endpoint: endpoint("203.0.3.50:1"), ...networks("203.0.0.0/16") })];
  const way = { dst: prefix("203.0.3.0/24"), oif: 9, onlink: false, metric: 0 };
  const desired = applied(mesh([node(1)], { peers }), { ways: [...HOST.ways, way] });
  assert.deepEqual(routes(desired), ["203.0.0.0/16 kilo"]);
  assert.deepEqual(texts(desired), []);
});

Deno.test("protect() leaves a gateway that is on no network of the host its neighbour", () => {
  const ways = [
    { dst: prefix("0.0.0.0/0"), gateway: ip("172.31.1.1"), oif: 2, onlink: true, metric: 0 },
  ];
  const peers = [peer(1, networks("172.16.0.0/12"))];
  const desired = applied(mesh([node(1)], { peers }), { ways, networks: [] });
  assert.deepEqual(routes(desired), ["172.31.1.1/32 dev 2", "172.16.0.0/12 kilo"]);
});

Deno.test("protect() keeps the encrypted way to a node that others' routes go by, too", () => {
  const other = node(3, { location: "m", endpoint: endpoint("203.0.113.31:1") });
  const way = {
    dst: prefix("10.244.3.0/24"),
    gateway: ip("10.0.0.3"),
    oif: 2,
    onlink: false,
    metric: 0,
  };
  const desired = applied(mesh([node(1), other]), { ways: [...HOST.ways, way] });
  assert.deepEqual(routes(desired), ["10.42.3.0/24 10.4.0.2", "10.0.0.3/32 10.4.0.2"]);
});
