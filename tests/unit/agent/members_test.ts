import assert from "node:assert/strict";
import { Members } from "../../../src/agent/members.ts";
import type { Change, Cluster } from "../../../src/backend/backend.ts";
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
function pass(members: Members, from: number, to: number): string[] {
  const left: string[] = [];
  for (let second = from; second <= to; second++) left.push(...members.expire(at(second)));
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

const N2: Change = { nodes: ["n2"], peers: [] };
const P1: Change = { nodes: [], peers: ["p1"] };

/** The members as node n1 knows them, which saw n2 check in at second 0. */
function withNode(): Members {
  const members = new Members("n1");
  assert.equal(members.update(cluster({ nodes: [seen(2, 0)] }), N2, at(0)), true);
  return members;
}

const names = ({ nodes, peers }: Members) => [...nodes, ...peers].map(({ name }) => name);

Deno.test("Members takes in ready nodes and Peers, but never the local node", () => {
  const members = withNode();
  const all = cluster({ nodes: [seen(1, 0), seen(2, 0)], peers: [peer(1)] });
  assert.equal(members.update(all, { nodes: ["n1"], peers: [] }, at(1)), false);
  assert.equal(members.update(all, P1, at(1)), true);
  assert.deepEqual(names(members), ["n2", "p1"]);
});

Deno.test("Members calls a check-in no other mesh, and a new pod subnet one", () => {
  const members = withNode();
  assert.equal(members.update(cluster({ nodes: [seen(2, 30)] }), N2, at(30)), false);
  const moved = seen(2, 31, { subnet: prefix("10.42.9.0/24") });
  assert.equal(members.update(cluster({ nodes: [moved] }), N2, at(31)), true);
});

Deno.test("Members drops who is gone or not ready any more", () => {
  const { key: _, ...keyless } = seen(2, 1);
  for (const nodes of [[], [keyless]]) {
    const members = withNode();
    assert.equal(members.update(cluster({ nodes }), N2, at(1)), true);
    assert.deepEqual(names(members), []);
  }
  const members = withNode();
  members.update(cluster({ peers: [peer(1)] }), P1, at(0));
  assert.equal(members.update(cluster({ peers: [peer(1, { allowedIPs: [] })] }), P1, at(1)), true);
  assert.deepEqual(names(members), ["n2"]);
});

Deno.test("Members lets a silent node go, once, and takes it back when it checks in", () => {
  const members = withNode();
  assert.deepEqual(pass(members, 0, 59), []);
  assert.equal(members.nextExpiry(at(59)), 1000);
  assert.deepEqual(members.expire(at(60)), ["n2"]);
  assert.deepEqual([names(members), members.expire(at(61))], [[], []]);
  const moved = seen(2, 0, { subnet: prefix("10.42.9.0/24") });
  assert.equal(members.update(cluster({ nodes: [moved] }), N2, at(61)), false, "still silent");
  assert.equal(members.update(cluster({ nodes: [seen(2, 62)] }), N2, at(62)), true);
  assert.deepEqual(names(members), ["n2"]);
});

Deno.test("Members lets nobody go while its own view is not live, and takes note when that begins and ends", () => {
  const members = withNode();
  pass(members, 0, 50);
  const nothing: Change = { nodes: [], peers: [] };
  members.update(cluster({}), nothing, deaf(50));
  assert.deepEqual(members.expire(deaf(300)), []);
  members.update(cluster({}), nothing, at(300));
  assert.deepEqual(pass(members, 301, 339), []);
  assert.deepEqual(members.expire(at(340)), ["n2"]);
});

Deno.test("Members trusts who was a member for the agent before, for a minute", () => {
  const standing = { subnets: [prefix("10.2.2.0/24")], keys: new Set<Key>() };
  const members = new Members("n1", { standing });
  const old = seen(2, -300, { subnet: prefix("10.2.2.0/24") });
  const dead = seen(3, -300, { subnet: prefix("10.2.3.0/24") });
  const both = cluster({ nodes: [old, dead] });
  members.update(both, { nodes: ["n2", "n3"], peers: [] }, at(0));
  assert.deepEqual(names(members), ["n2"]);
  assert.deepEqual(pass(members, 0, 59), []);
  assert.deepEqual(members.expire(at(60)), ["n2"]);
  members.update(both, N2, at(61));
  assert.deepEqual(names(members), [], "once");
});

/** The members of a restarted agent, with leftovers: Nodes of one subnet, none of which checked in lately. */
function restarted(keys: readonly Key[], { at: second = -86_400 } = {}) {
  const subnet = prefix("10.2.2.0/24");
  const members = new Members("n1", { standing: { subnets: [subnet], keys: new Set(keys) } });
  const nodes = [seen(2, -86_400, { subnet }), seen(3, second, { subnet })];
  members.update(cluster({ nodes }), { nodes: ["n2", "n3"], peers: [] }, at(0));
  return { members, subnet };
}

Deno.test("Members trusts, of two Nodes with one pod subnet, the one whose key is on the device", () => {
  assert.deepEqual(names(restarted([key(3)]).members), ["n3"]);
  assert.deepEqual(names(restarted([key(2)]).members), ["n2"]);
});

Deno.test("Members trusts, of two Nodes with one pod subnet and key, the one that checked in last", () => {
  const subnet = prefix("10.2.2.0/24");
  const standing = { subnets: [subnet], keys: new Set([key(7)]) };
  for (const [renamed, name] of [[2, "n2"], [3, "n3"]] as const) {
    const members = new Members("n1", { standing });
    const nodes = [2, 3].map((number) =>
      seen(number, number === renamed ? -300 : -86_400, { subnet, key: key(7) })
    );
    members.update(cluster({ nodes }), { nodes: ["n2", "n3"], peers: [] }, at(0));
    assert.deepEqual(names(members), [name]);
  }
});

Deno.test("Members trusts neither of them if no key tells, but who checks in", () => {
  const { members, subnet } = restarted([]);
  assert.deepEqual(names(members), []);
  const n3 = seen(3, 1, { subnet });
  members.update(cluster({ nodes: [n3] }), { nodes: ["n3"], peers: [] }, at(1));
  assert.deepEqual(names(members), ["n3"]);
  assert.deepEqual(names(restarted([], { at: -10 }).members), ["n3"], "it did so just now");
});

Deno.test("Members trusts nobody for what stood there who comes only later", () => {
  const standing = { subnets: [prefix("10.2.2.0/24")], keys: new Set<Key>() };
  const members = new Members("n1", { standing });
  members.expire(at(0));
  const old = seen(2, -300, { subnet: prefix("10.2.2.0/24") });
  members.update(cluster({ nodes: [old] }), N2, at(1));
  assert.deepEqual(names(members), []);
});
