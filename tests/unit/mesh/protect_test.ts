import assert from "node:assert/strict";
import { formatPrefix } from "../../../src/net/prefix.ts";
import { desired } from "../../../src/mesh/desired.ts";
import { protect } from "../../../src/mesh/protect.ts";
import { type HostFacts, NO_FACTS } from "../../../src/mesh/host_facts.ts";
import { endpoint, ip, key, loneNode, mesh, node, peer, prefix, settings } from "./cluster.ts";
import { allowed, applied, HOST, networks, routes, texts } from "./host.ts";

/** n1 and n2 in one location, n3 elsewhere. */
const NODES = [
  node(1),
  node(2),
  loneNode(3, { location: "m", endpoint: endpoint("203.0.113.31:1") }),
];
const MESH_ROUTES = ["10.42.2.0/24 10.0.0.2", "10.42.3.0/24 10.4.0.2"];

Deno.test("protect() changes nothing where nothing is in the way", () => {
  const topology = mesh(NODES, { peers: [peer(1)] });
  const computed = desired(topology, settings());
  const kept = protect({ desired: computed, topology }, HOST);
  assert.deepEqual(kept, computed);
  assert.equal(kept.device, computed.device);
  assert.equal(kept.firewall, computed.firewall);
});

Deno.test("protect() leaves no route shorter than /8, and WireGuard its allowed IPs", () => {
  const wide = networks(
    "0.0.0.0/0",
    "128.0.0.0/1",
    "10.0.0.0/7",
    "2000::/3",
    "fd00::/8",
    "11.0.0.0/8",
  );
  const topology = mesh(NODES, { peers: [peer(1, wide)] });
  for (const hostname of ["n1", "n2"]) {
    const desired = applied(mesh(NODES, { peers: [peer(1, wide)], hostname }));
    const dsts = desired.routes.map(({ dst }) => dst.bits);
    assert.ok(Math.min(...dsts) >= 8, hostname);
    assert.equal(
      texts(desired).filter((line) => line.includes("protected (Peer p1) Peer p1: ")).length,
      4,
    );
  }
  const desired = applied(topology);
  assert.deepEqual(routes(desired), [...MESH_ROUTES, "fd00::/8 kilo", "11.0.0.0/8 kilo"]);
  assert.equal(allowed(desired.device)[1], wide.allowedIPs.map(formatPrefix).join());
  assert.deepEqual(desired.firewall.nat.keep.filter(({ bits }) => bits < 8), []);
});

Deno.test("protect() keeps the networks on link, and routes the free parts of them", () => {
  const cases: readonly (readonly [string, boolean])[] = [
    ["10.0.0.0/24", false],
    ["10.0.0.7/24", false],
    ["10.0.0.0/28", false], // own address, n2
    ["10.0.0.254/32", false], // the gateway
    ["10.0.0.240/28", false],
    ["10.0.0.2/32", false], // n2
    ["10.0.0.1/32", false],
    ["10.0.0.53/32", false], // a name server
    ["10.0.0.6/32", false], // the API server
    ["10.0.0.128/28", true],
    ["10.0.0.77/32", true],
    ["10.0.0.0/16", true], // the network on link is more specific
  ];
  const facts: Partial<HostFacts> = {
    servers: [
      { ip: ip("10.0.0.53"), role: "name server" },
      { ip: ip("10.0.0.6"), role: "API server" },
    ],
  };
  for (const [text, isRouted] of cases) {
    const ofPeer = applied(mesh(NODES, { peers: [peer(1, networks(text))] }), facts);
    const location = loneNode(3, { location: "m", allowedLocationIPs: [prefix(text)] });
    const ofLocation = applied(mesh([node(1), node(2), location]), facts);
    for (const [desired, owner] of [[ofPeer, "Peer p1"], [ofLocation, "node n3"]] as const) {
      const what = `${text} of ${owner}`;
      assert.equal(desired.routes.length, isRouted ? 3 : 2, what);
      // What n2 has is its own; of a location's addresses that is known to all agents.
      const reported = /^(protected|duplicate) \((Peer p1|node n3|node:n3)\) .*10\.0\.0\./;
      assert.equal(reported.test(texts(desired).join()), !isRouted, `${what}: ${texts(desired)}`);
    }
  }
});

Deno.test("protect() lets no Peer say where a node's addresses are", () => {
  const far = node(3, {
    location: "m",
    endpoint: endpoint("203.0.113.31:1"),
    internalIP: prefix("10.9.0.3/24"),
  });
  const peers = [peer(1, { endpoint: endpoint("10.9.0.3:1") })];
  const endpoints = [{ publicKey: key(201), ip: ip("10.42.3.9"), hasLived: true }];
  const desired = applied(mesh([node(1), far], { peers }), { endpoints });
  assert.deepEqual(routes(desired), [
    "10.42.3.0/24 10.4.0.2",
    "10.9.0.3/32 10.4.0.2",
    "10.5.0.1/32 kilo",
  ]);
});

Deno.test("protect() gives an address of two nodes to the own segment", () => {
  const far = (number: number, address: string) =>
    node(number, {
      location: `l${number}`,
      endpoint: endpoint(`203.0.113.${number}:1`),
      internalIP: prefix(address),
    });
  // n1 is the oldest by name, so that age alone does not decide.
  const nodes = [
    node(1, { created: 9 }),
    node(2, { created: 9 }),
    far(3, "10.0.0.2/24"),
    far(4, "10.0.0.1/24"),
  ];
  const desired = applied(mesh(nodes));
  assert.deepEqual(routes(desired), [
    "10.42.2.0/24 10.0.0.2",
    "10.42.3.0/24 10.4.0.2",
    "10.42.4.0/24 10.4.0.3",
  ]);
  assert.deepEqual(texts(desired), [
    "duplicate (node n3) node n3 claims 10.0.0.2/32, which node n2 has and keeps",
    "duplicate (node n4) node n4 claims 10.0.0.1/32, which node n1 has and keeps",
  ]);
});

Deno.test("protect() keeps the own pods here, and elsewhere those of the older node", () => {
  const twin = loneNode(3, { location: "m", subnet: prefix("10.42.1.0/24"), created: 1 });
  const nodes = [node(1, { created: 2 }), twin, loneNode(4, { location: "o" })];
  const own = applied(mesh(nodes));
  assert.deepEqual(routes(own), ["10.42.4.0/24 10.4.0.3"]);
  assert.deepEqual(allowed(own.device), ["10.4.0.2/32", "10.42.4.0/24,10.4.0.3/32"]);
  assert.deepEqual(texts(own), [
    "duplicate (node n3) node n3 claims 10.42.1.0/24, which node n1 has and keeps",
  ]);
  const third = applied(mesh(nodes, { hostname: "n4" }), NO_FACTS, { privateAddress: undefined! });
  assert.deepEqual(routes(third), ["10.42.1.0/24 10.4.0.2"]);
  assert.deepEqual(allowed(third.device), ["10.0.0.1/32,10.4.0.1/32", "10.42.1.0/24,10.4.0.2/32"]);
});

Deno.test("protect() leaves nodes what they have, whatever a Peer claims", () => {
  const claims = networks(
    ...[
      "10.42.1.0/24",
      "10.42.1.0/25",
      "10.42.3.7/32",
      "10.4.0.2/32",
      "10.0.0.2/32",
      "10.42.0.0/16",
    ],
    "10.5.0.1/32",
  );
  for (const hostname of ["n1", "n2"]) {
    const desired = applied(mesh(NODES, { peers: [peer(1, claims)], hostname }));
    assert.equal(allowed(desired.device).at(-1), "10.42.0.0/16,10.5.0.1/32");
    const peers = routes(desired).slice(-2);
    assert.deepEqual(peers.map((line) => line.split(" ")[0]), ["10.42.0.0/16", "10.5.0.1/32"]);
    const said = texts(desired);
    assert.equal(said.length, 5);
    assert.ok(
      said.includes(
        "duplicate (Peer p1) Peer p1: 10.42.3.7/32 is not routed: 10.42.3.0/24 belongs to node n3",
      ),
      said.join("\n"),
    );
  }
});

Deno.test("protect() leaves a follower its way to a node that is reached at its internal address", () => {
  const far = node(3, {
    location: "m",
    internalIP: prefix("10.9.0.3/24"),
    endpoint: endpoint("10.9.0.3:1"),
  });
  const near = node(4, { location: "o", endpoint: endpoint("10.0.0.4:1") });
  const desired = applied(mesh([node(1), node(2), far, near], { hostname: "n2" }), {
    addresses: [ip("10.0.0.2")],
  });
  const hosts = routes(desired).filter((line) => line.includes("/32"));
  assert.deepEqual(hosts, [
    "10.4.0.1/32 10.0.0.1",
    "10.9.0.3/32 10.0.0.1",
    "10.4.0.2/32 10.0.0.1",
    "10.4.0.3/32 10.0.0.1",
  ], "n4 is on link");
  assert.deepEqual(texts(desired), []);
});
