import assert from "node:assert/strict";
import { Membership } from "../../../src/agent/membership.ts";
import type { Cluster, ClusterChange } from "../../../src/backend/backend.ts";
import type { Node } from "../../../src/mesh/node.ts";
import type { Peer } from "../../../src/mesh/peer.ts";
import type { Moment } from "../../../src/mesh/staleness.ts";
import type { Key } from "../../../src/net/key.ts";
import { key, node, peer, prefix } from "../mesh/cluster.ts";

/** Unix seconds of second 0 in these tests. */
const START = 1_795_425_492;

function at(seconds: number): Moment {
  const monotonic = 5_000 + seconds * 1000;
  return { monotonic, wall: (START + seconds) * 1000, liveUntil: Infinity };
}

/** The same, in a view that is not live. */
function deaf(seconds: number): Moment {
  return { ...at(seconds), liveUntil: -Infinity };
}

/** Looks each second, as an agent does; answers who left. */
function pass(membership: Membership, from: number, to: number): string[] {
  const left: string[] = [];
  for (let second = from; second <= to; second++) left.push(...membership.expire(at(second)));
  return left;
}

/** Node number n, which checked in at this second. */
function seen(number: number, second: number, fields: Partial<Node> = {}): Node {
  return { ...node(number), lastSeen: START + second, ...fields };
}

function cluster({ nodes = [], peers = [] }: { nodes?: Node[]; peers?: Peer[] }): Cluster {
  return {
    nodes: new Map(nodes.map((node) => [node.name, node])),
    peers: new Map(peers.map((peer) => [peer.name, peer])),
    problems: [],
  };
}

const N2: ClusterChange = { nodes: ["n2"], peers: [] };
const P1: ClusterChange = { nodes: [], peers: ["p1"] };

/** The mesh membership as node n1 knows it, which saw n2 check in at second 0. */
function withNode(): Membership {
  const membership = new Membership("n1");
  assert.equal(membership.update(cluster({ nodes: [seen(2, 0)] }), N2, at(0)), true);
  return membership;
}

const names = ({ nodes, peers }: Membership) => [...nodes, ...peers].map(({ name }) => name);

Deno.test("Membership.update() adds ready nodes and Peers, but never the local node", () => {
  const membership = withNode();
  const all = cluster({ nodes: [seen(1, 0), seen(2, 0)], peers: [peer(1)] });
  assert.equal(membership.update(all, { nodes: ["n1"], peers: [] }, at(1)), false);
  assert.equal(membership.update(all, P1, at(1)), true);
  assert.deepEqual(names(membership), ["n2", "p1"]);
});

Deno.test("Membership.update() is false for a check-in, and true for a new pod subnet", () => {
  const membership = withNode();
  assert.equal(membership.update(cluster({ nodes: [seen(2, 30)] }), N2, at(30)), false);
  const moved = seen(2, 31, { subnet: prefix("10.42.9.0/24") });
  assert.equal(membership.update(cluster({ nodes: [moved] }), N2, at(31)), true);
});

Deno.test("Membership.update() drops nodes and Peers that are gone or not ready any more", () => {
  const { key: _, ...keyless } = seen(2, 1);
  for (const nodes of [[], [keyless]]) {
    const membership = withNode();
    assert.equal(membership.update(cluster({ nodes }), N2, at(1)), true);
    assert.deepEqual(names(membership), []);
  }
  const membership = withNode();
  membership.update(cluster({ peers: [peer(1)] }), P1, at(0));
  assert.equal(
    membership.update(cluster({ peers: [peer(1, { allowedIPs: [] })] }), P1, at(1)),
    true,
  );
  assert.deepEqual(names(membership), ["n2"]);
});

Deno.test("Membership.expire() drops a stale node once; a check-in adds it again", () => {
  const membership = withNode();
  assert.deepEqual(pass(membership, 0, 59), []);
  assert.equal(membership.nextExpiry(at(59)), 1000);
  assert.deepEqual(membership.expire(at(60)), ["n2"]);
  assert.deepEqual([names(membership), membership.expire(at(61))], [[], []]);
  const moved = seen(2, 0, { subnet: prefix("10.42.9.0/24") });
  assert.equal(membership.update(cluster({ nodes: [moved] }), N2, at(61)), false, "still silent");
  assert.equal(membership.update(cluster({ nodes: [seen(2, 62)] }), N2, at(62)), true);
  assert.deepEqual(names(membership), ["n2"]);
});

Deno.test("Membership.expire() drops no node while the own view is not live, nor right after that", () => {
  const membership = withNode();
  pass(membership, 0, 50);
  const nothing: ClusterChange = { nodes: [], peers: [] };
  membership.update(cluster({}), nothing, deaf(50));
  assert.deepEqual(membership.expire(deaf(300)), []);
  membership.update(cluster({}), nothing, at(300));
  assert.deepEqual(pass(membership, 301, 339), []);
  assert.deepEqual(membership.expire(at(340)), ["n2"]);
});

Deno.test("Membership.update() trusts who was a member for the agent before, for a minute", () => {
  const standing = { subnets: [prefix("10.2.2.0/24")], keys: new Set<Key>() };
  const membership = new Membership("n1", { standing });
  const old = seen(2, -300, { subnet: prefix("10.2.2.0/24") });
  const dead = seen(3, -300, { subnet: prefix("10.2.3.0/24") });
  const both = cluster({ nodes: [old, dead] });
  membership.update(both, { nodes: ["n2", "n3"], peers: [] }, at(0));
  assert.deepEqual(names(membership), ["n2"]);
  assert.deepEqual(pass(membership, 0, 59), []);
  assert.deepEqual(membership.expire(at(60)), ["n2"]);
  membership.update(both, N2, at(61));
  assert.deepEqual(names(membership), [], "once");
});

/** The membership of a restarted agent, with leftovers: Nodes of one subnet, none of which checked in lately. */
function restarted(keys: readonly Key[], { at: second = -86_400 } = {}) {
  const subnet = prefix("10.2.2.0/24");
  const membership = new Membership("n1", { standing: { subnets: [subnet], keys: new Set(keys) } });
  const nodes = [seen(2, -86_400, { subnet }), seen(3, second, { subnet })];
  membership.update(cluster({ nodes }), { nodes: ["n2", "n3"], peers: [] }, at(0));
  return { membership, subnet };
}

Deno.test("Membership.update() trusts, of two Nodes with one pod subnet, the one whose key is on the device", () => {
  assert.deepEqual(names(restarted([key(3)]).membership), ["n3"]);
  assert.deepEqual(names(restarted([key(2)]).membership), ["n2"]);
});

Deno.test("Membership.update() trusts, of two Nodes with one pod subnet and key, the one that checked in last", () => {
  const subnet = prefix("10.2.2.0/24");
  const standing = { subnets: [subnet], keys: new Set([key(7)]) };
  for (const [renamed, name] of [[2, "n2"], [3, "n3"]] as const) {
    const membership = new Membership("n1", { standing });
    const nodes = [2, 3].map((number) =>
      seen(number, number === renamed ? -300 : -86_400, { subnet, key: key(7) })
    );
    membership.update(cluster({ nodes }), { nodes: ["n2", "n3"], peers: [] }, at(0));
    assert.deepEqual(names(membership), [name]);
  }
});

Deno.test("Membership.update() trusts neither of them if no key tells, but who checks in", () => {
  const { membership, subnet } = restarted([]);
  assert.deepEqual(names(membership), []);
  const n3 = seen(3, 1, { subnet });
  membership.update(cluster({ nodes: [n3] }), { nodes: ["n3"], peers: [] }, at(1));
  assert.deepEqual(names(membership), ["n3"]);
  assert.deepEqual(names(restarted([], { at: -10 }).membership), ["n3"], "it did so just now");
});

Deno.test("Membership.update() trusts nobody for what stood there who comes only later", () => {
  const standing = { subnets: [prefix("10.2.2.0/24")], keys: new Set<Key>() };
  const membership = new Membership("n1", { standing });
  membership.expire(at(0));
  const old = seen(2, -300, { subnet: prefix("10.2.2.0/24") });
  membership.update(cluster({ nodes: [old] }), N2, at(1));
  assert.deepEqual(names(membership), []);
});
