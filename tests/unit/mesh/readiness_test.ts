import assert from "node:assert/strict";
import { parseEndpoint } from "../../../src/net/endpoint.ts";
import { parseIP } from "../../../src/net/ip.ts";
import { type Key, ZERO_KEY } from "../../../src/net/key.ts";
import { parsePrefix } from "../../../src/net/prefix.ts";
import type { Node } from "../../../src/mesh/node.ts";
import type { Peer } from "../../../src/mesh/peer.ts";
import {
  equalNodes,
  equalPeers,
  isComplete,
  isReadyPeer,
  notReadyBecause,
} from "../../../src/mesh/readiness.ts";

const KEY = "jk1ph8d/WBhSbxgUvoIzUOqxOTXzHYRIRRfpJK73iuE=" as Key;
const prefix = (text: string) => parsePrefix(text)!;
const endpoint = (text: string) => parseEndpoint(text)!;

/** Fresh values at each call, so that nothing is equal by being the same object. */
function node(): Required<Node> {
  return {
    name: "n",
    location: "aws",
    leader: false,
    endpoint: endpoint("10.0.0.1:51820"),
    key: KEY,
    subnet: prefix("10.42.0.0/24"),
    internalIP: prefix("10.0.0.1/24"),
    wireGuardIP: prefix("10.4.0.1/16"),
    cniCompatibilityIP: prefix("10.42.0.1/32"),
    encapsulationIP: prefix("10.0.0.7/32"),
    persistentKeepalive: 0,
    allowedLocationIPs: [prefix("10.1.0.0/16"), prefix("10.2.0.0/16")],
    discoveredEndpoints: new Map([[KEY as string, { ip: parseIP("10.9.9.9")!, port: 5 }]]),
    granularity: "location",
    created: 1,
    lastSeen: 1,
  };
}

function peer(): Required<Peer> {
  return {
    name: "p",
    publicKey: KEY,
    presharedKey: KEY,
    endpoint: endpoint("a.b:5"),
    persistentKeepalive: 0,
    allowedIPs: [prefix("10.0.0.1/32"), prefix("10.0.0.2/32")],
  };
}

/** The same without one field. */
function without<T, K extends keyof T>(value: T, field: K): Omit<T, K> {
  const { [field]: _, ...rest } = value;
  return rest;
}

Deno.test("notReadyBecause() names the first reason, and none for a complete and fresh node", () => {
  const { endpoint: _, ...withoutEndpoint } = node();
  const { subnet: __, ...withoutSubnet } = node();
  const { key: ___, ...withoutKey } = node();
  const reasonOf = (each: Node, isFresh = true) => notReadyBecause(each, { isFresh });
  assert.equal(reasonOf(node()), undefined);
  assert.equal(reasonOf(node(), false), "stale");
  assert.equal(reasonOf(withoutEndpoint, false), "no endpoint");
  assert.equal(reasonOf(withoutSubnet, false), "no pod subnet");
  assert.equal(reasonOf(withoutKey, false), "no key");
  assert.equal(reasonOf({ ...node(), key: ZERO_KEY }), "no key");
});

Deno.test("isComplete() wants endpoint, key and subnet, and no WireGuard IP", () => {
  assert.ok(isComplete(node()));
  assert.ok(isComplete(without(node(), "wireGuardIP")));
  assert.ok(isComplete({ ...node(), lastSeen: 0 }));
  assert.ok(!isComplete(without(node(), "endpoint")));
  assert.ok(!isComplete(without(node(), "key")));
  assert.ok(!isComplete(without(node(), "subnet")));
  assert.ok(!isComplete({ ...node(), key: ZERO_KEY }));
});

Deno.test("isReadyPeer() wants a key and an allowed IP, and no endpoint", () => {
  assert.ok(isReadyPeer(peer()));
  assert.ok(isReadyPeer(without(peer(), "endpoint")));
  assert.ok(!isReadyPeer({ ...peer(), allowedIPs: [] }));
  assert.ok(!isReadyPeer({ ...peer(), publicKey: ZERO_KEY }));
});

const OTHER_NODES: {
  readonly [K in Exclude<keyof Node, "lastSeen">]-?: readonly Required<Node>[K][];
} = {
  name: ["m"],
  location: [""],
  leader: [true],
  endpoint: [endpoint("10.0.0.1:51821"), endpoint("10.0.0.2:51820"), endpoint("a.b:51820")],
  key: [ZERO_KEY],
  subnet: [prefix("10.42.0.0/25")],
  internalIP: [prefix("10.0.0.1/25"), prefix("10.0.0.2/24")],
  wireGuardIP: [prefix("10.4.0.2/16")],
  cniCompatibilityIP: [prefix("10.42.0.1/24")],
  encapsulationIP: [prefix("10.0.0.8/32")],
  persistentKeepalive: [25],
  allowedLocationIPs: [[], node().allowedLocationIPs.toReversed(), [prefix("10.1.0.0/16")]],
  discoveredEndpoints: [
    new Map(),
    new Map([[KEY as string, { ip: parseIP("10.9.9.9")!, port: 6 }]]),
    new Map([[KEY as string, { ip: parseIP("10.9.9.8")!, port: 5 }]]),
    new Map([["other", { ip: parseIP("10.9.9.9")!, port: 5 }]]),
  ],
  granularity: ["full"],
  created: [2],
};

Deno.test("equalNodes() looks at every field but when the node was last seen", () => {
  assert.ok(equalNodes(node(), node()));
  assert.ok(equalNodes(node(), { ...node(), lastSeen: 2 }));
  for (const [field, values] of Object.entries(OTHER_NODES)) {
    for (const value of values) {
      const other = { ...node(), [field]: value } as Node;
      assert.ok(!equalNodes(node(), other), field);
      assert.ok(!equalNodes(other, node()), field);
    }
  }
  for (const field of ["endpoint", "key", "subnet", "internalIP", "wireGuardIP"] as const) {
    assert.ok(!equalNodes(node(), without(node(), field)), field);
    assert.ok(!equalNodes(without(node(), field), node()), field);
    assert.ok(equalNodes(without(node(), field), without(node(), field)), field);
  }
});

const OTHER_PEERS: { readonly [K in Exclude<keyof Peer, "name">]-?: readonly Required<Peer>[K][] } =
  {
    publicKey: [ZERO_KEY],
    presharedKey: [ZERO_KEY],
    endpoint: [endpoint("a.b:6"), endpoint("a.c:5"), endpoint("10.0.0.1:5")],
    persistentKeepalive: [25],
    allowedIPs: [[], peer().allowedIPs.toReversed(), [prefix("10.0.0.1/32")]],
  };

Deno.test("equalPeers() looks at every field but the name", () => {
  assert.ok(equalPeers(peer(), { ...peer(), name: "q" }));
  const resolved = { ...endpoint("a.b:5"), ip: parseIP("10.0.0.1")! };
  assert.ok(equalPeers(peer(), { ...peer(), endpoint: resolved }));
  for (const [field, values] of Object.entries(OTHER_PEERS)) {
    for (const value of values) {
      assert.ok(!equalPeers(peer(), { ...peer(), [field]: value } as Peer), field);
    }
  }
  assert.ok(!equalPeers(peer(), without(peer(), "presharedKey")));
  assert.ok(!equalPeers(peer(), without(peer(), "endpoint")));
});
