import assert from "node:assert/strict";
import type { Kernel } from "../../../src/agent/kernel.ts";
import { Membership } from "../../../src/agent/membership.ts";
import type { AgentOptions } from "../../../src/agent/options.ts";
import type { Resolver } from "../../../src/agent/resolver.ts";
import { View } from "../../../src/agent/view.ts";
import type { Backend, Cluster } from "../../../src/backend/backend.ts";
import type { Node } from "../../../src/mesh/node.ts";
import type { Peer } from "../../../src/mesh/peer.ts";
import type { DeviceState } from "../../../src/net/device.ts";
import type { IP } from "../../../src/net/ip.ts";
import { endpoint, ip, key, node, peer, prefix } from "../mesh/cluster.ts";

const NOW = Date.now();

/** What node n1 sees of these nodes, all of which check in now, and Peers. */
function view(options: ViewOptions): View {
  return scene(options).view;
}

interface ViewOptions {
  readonly nodes: readonly Node[];
  readonly peers?: readonly Peer[];
  readonly device?: readonly { key: number; handshake: number }[];
  /** What names resolve to. */
  readonly names?: Map<string, IP>;
}

/** The view, and how its nodes change. */
function scene({ nodes, peers = [], device, names = new Map() }: ViewOptions) {
  const known = new Map(nodes.map((node) => [node.name, node]));
  const cluster: Cluster = {
    nodes: known,
    peers: new Map(peers.map((peer) => [peer.name, peer])),
    problems: [],
  };
  const membership = new Membership("n1");
  const change = { nodes: [...cluster.nodes.keys()], peers: [...cluster.peers.keys()] };
  membership.update(cluster, change, { monotonic: 0, wall: NOW, liveUntil: Infinity });
  const state: Pick<DeviceState, "peers"> | undefined = device && {
    peers: device.map((each) => ({
      ...{ publicKey: key(each.key), lastHandshake: each.handshake, allowedIPs: [] },
      ...{ persistentKeepalive: 0, receivedBytes: 0, sentBytes: 0 },
    })),
  };
  const milliseconds = { device: 1, firewall: 2, flows: 3, routes: 4, rules: 5 };
  const view = new View({
    options: {
      hostname: "n1",
      interface: "kilo0",
      meshGranularity: "full",
      subnet: prefix("10.4.0.0/16"),
    } as AgentOptions,
    backend: { cluster: () => cluster, live: true, relists: 7 } as unknown as Backend,
    membership,
    kernel: {
      dataplane: { device: { known: state }, watch: { milliseconds } },
    } as unknown as Kernel,
    resolver: {
      address: (name: string) => names.get(name),
      alternative() {},
    } as unknown as Resolver,
  });
  const put = (node: Node) => {
    known.set(node.name, node);
    membership.update(cluster, { nodes: [node.name], peers: [] }, {
      monotonic: 0,
      wall: NOW,
      liveUntil: Infinity,
    });
  };
  return { view, put };
}

const fresh = (number: number, fields: Partial<Node> = {}): Node => ({
  ...node(number),
  lastSeen: NOW / 1000,
  ...fields,
});

/** It has none of these fields. */
function without(node: Node, ...fields: readonly (keyof Node)[]): Node {
  return Object.fromEntries(
    Object.entries(node).filter(([name]) => !fields.includes(name as keyof Node)),
  ) as unknown as Node;
}

Deno.test("View counts the local node only if it is ready", () => {
  const peers = [peer(1), peer(2, { allowedIPs: [] })];
  assert.deepEqual(view({ nodes: [fresh(1), fresh(2)], peers }).count(), { nodes: 2, peers: 1 });
  const unready = without(fresh(1), "endpoint");
  assert.deepEqual(view({ nodes: [unready, fresh(2)] }).count(), { nodes: 1, peers: 0 });
});

Deno.test("View says why nodes are not in the mesh", () => {
  const nodes = [
    fresh(1, { lastSeen: 0 }), // to itself it is never stale
    fresh(2),
    fresh(3, { lastSeen: NOW / 1000 - 3600 }),
    without(fresh(4), "endpoint", "key", "subnet"),
    without(fresh(5), "key"),
    without(fresh(6), "subnet"),
    without(fresh(7), "endpoint"),
  ];
  assert.deepEqual([...view({ nodes }).present().excluded].sort(), [
    ["no endpoint", 2],
    ["no key", 1],
    ["no pod subnet", 1],
    ["stale", 1],
  ]);
});

Deno.test("View knows whose handshakes the device remembers, without their keys", () => {
  const device = [
    { key: 2, handshake: NOW - 5000 },
    { key: 101, handshake: NOW - 60_000 },
    { key: 102, handshake: 0 }, // never
    { key: 99, handshake: NOW }, // nobody's
  ];
  const peers = [peer(1, { publicKey: key(101) }), peer(2, { publicKey: key(102) })];
  const { handshakes } = view({ nodes: [fresh(1), fresh(2)], peers, device }).present();
  const seen = [...handshakes].map(({ kind, name, age }) => [kind, name, Math.round(age / 5)]);
  assert.deepEqual(seen, [["node", "n2", 1], ["peer", "p1", 12]]);
  assert.deepEqual([...view({ nodes: [fresh(1)] }).present().handshakes], []);
});

Deno.test("View counts the bytes of every peer of the device, with its object's name", () => {
  const device = [{ key: 2, handshake: NOW }, { key: 99, handshake: 0 }];
  const { counters } = view({ nodes: [fresh(1), fresh(2)], device }).present();
  assert.deepEqual(
    [...counters].map((
      it,
    ) => [it.interface, it.publicKey, it.name, it.lastHandshake, it.sentBytes]),
    [["kilo0", key(2), "n2", NOW, 0], ["kilo0", key(99), undefined, 0, 0]],
  );
});

Deno.test("View passes on what the backend and the kernel know", () => {
  const { live, relists, spent } = view({ nodes: [] }).present();
  assert.deepEqual({ live, relists, routes: spent.routes }, { live: true, relists: 7, routes: 4 });
});

Deno.test("View draws the mesh as the local node sees it, or else the first ready one", () => {
  const dotOf = (nodes: readonly Node[]) => {
    const drawn = view({ nodes, peers: [peer(1)] }).mesh();
    assert.ok("dot" in drawn, JSON.stringify(drawn));
    return drawn.dot;
  };
  assert.match(dotOf([fresh(2), fresh(1)]), /^\t"n1"->"n2"\[ dir=both \];$/m);
  const unready = dotOf([without(fresh(1), "subnet"), fresh(3), fresh(2)]);
  assert.match(unready, /^\t"n2"->"n3"\[ dir=both \];$/m);
  assert.doesNotMatch(unready, /"n1"/);
});

Deno.test("View computes the mesh once for a state of it, and again when it is another", () => {
  const names = new Map<string, IP>();
  const { view, put } = scene({
    nodes: [fresh(1), fresh(2), fresh(3, { endpoint: endpoint("gate.example:51820") })],
    peers: [peer(1)],
    names,
  });
  let last = view.mesh();
  const isSame = () => {
    const before = last;
    last = view.mesh();
    assert.equal(view.mesh(), last);
    return last === before;
  };
  assert.ok(isSame());
  for (const number of [1, 2]) put(fresh(number, { lastSeen: NOW / 1000 + 1 }));
  assert.ok(isSame(), "check-ins do not change it");
  put(fresh(2, { endpoint: endpoint("192.0.2.99:51820") }));
  assert.ok(!isSame());
  put(fresh(1, { endpoint: endpoint("192.0.2.98:51820") }));
  assert.ok(!isSame(), "the own node");
  names.set("gate.example", ip("192.0.2.97"));
  assert.ok(!isSame(), "a name");
  put(fresh(4));
  assert.ok(!isSame());
  put(without(fresh(4), "key"));
  assert.ok(!isSame());
  assert.ok(isSame());
});

Deno.test("View says why there is no mesh to be drawn", () => {
  const unready = without(fresh(1), "key");
  assert.deepEqual(view({ nodes: [unready] }).mesh(), { problem: "no node is ready" });
});

Deno.test("View makes no text of a mesh that is so large that it would hold the agent up", () => {
  const nodes = Array.from({ length: 700 }, (_, n) => (
    { ...fresh(1), name: `n${n + 1}`, location: `l${n}` }
  ));
  assert.deepEqual(view({ nodes }).mesh(), {
    problem: "244650 edges are too many: see kgctl graph",
  });
});

Deno.test("View leaves a name that was never resolved as it is", () => {
  const named = fresh(2, { endpoint: endpoint("gate.example:51820") });
  const drawn = view({ nodes: [fresh(1), named] }).mesh();
  assert.match("dot" in drawn ? drawn.dot : "", /gate\.example:51820/);
});
