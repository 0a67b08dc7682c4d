import assert from "node:assert/strict";
import { Members } from "../../../src/agent/members.ts";
import type { Change, Cluster } from "../../../src/backend/backend.ts";
import type { Node } from "../../../src/mesh/node.ts";
import type { Peer } from "../../../src/mesh/peer.ts";
import type { Moment } from "../../../src/mesh/staleness.ts";
import { node, peer, prefix } from "../mesh/cluster.ts";

/** Unix seconds of second 0 in these tests. */
const START = 1_795_425_492;
const LIVE = { live: true, relists: 0 };

function at(seconds: number): Moment {
  return { monotonic: 5_000 + seconds * 1000, wall: (START + seconds) * 1000 };
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
  assert.deepEqual(members.expire(at(59), LIVE), []);
  assert.equal(members.nextExpiry(at(59)), 1000);
  assert.deepEqual(members.expire(at(60), LIVE), ["n2"]);
  assert.deepEqual([names(members), members.expire(at(61), LIVE)], [[], []]);
  const moved = seen(2, 0, { subnet: prefix("10.42.9.0/24") });
  assert.equal(members.update(cluster({ nodes: [moved] }), N2, at(61)), false, "still silent");
  assert.equal(members.update(cluster({ nodes: [seen(2, 62)] }), N2, at(62)), true);
  assert.deepEqual(names(members), ["n2"]);
});

Deno.test("Members lets nobody go while its own view is not live, nor in the minute after", () => {
  const members = withNode();
  assert.deepEqual(members.expire(at(300), { live: false, relists: 0 }), []);
  assert.deepEqual(members.expire(at(301), LIVE), []);
  assert.deepEqual(members.expire(at(360), LIVE), []);
  assert.deepEqual(members.expire(at(360), { live: true, relists: 1 }), [], "a view made anew");
  assert.deepEqual(members.expire(at(419), { live: true, relists: 1 }), []);
  assert.deepEqual(members.expire(at(420), { live: true, relists: 1 }), ["n2"]);
});

Deno.test("Members trusts who was a member for the agent before, for a minute", () => {
  const members = new Members("n1", { standing: [prefix("10.2.2.0/24")] });
  const old = seen(2, -300, { subnet: prefix("10.2.2.0/24") });
  const dead = seen(3, -300, { subnet: prefix("10.2.3.0/24") });
  const both = cluster({ nodes: [old, dead] });
  members.update(both, { nodes: ["n2", "n3"], peers: [] }, at(0));
  assert.deepEqual(names(members), ["n2"]);
  assert.deepEqual(members.expire(at(59), LIVE), []);
  assert.deepEqual(members.expire(at(60), LIVE), ["n2"]);
  members.update(both, N2, at(61));
  assert.deepEqual(names(members), [], "once");
});
