import assert from "node:assert/strict";
import { desired } from "../../../src/mesh/desired.ts";
import { endpoint, key, loneNode, mesh, node, peer, prefix, settings } from "./cluster.ts";

Deno.test("desired() addresses the interface of a leader only", () => {
  const nodes = [node(1), node(2)];
  const leader = desired(mesh(nodes), settings());
  assert.deepEqual([leader.isLeader, leader.address], [true, prefix("10.4.0.1/16")]);
  const follower = desired(mesh(nodes, { hostname: "n2" }), settings());
  assert.deepEqual([follower.isLeader, follower.address], [false, undefined]);
});

Deno.test("desired() listens on the port of the local endpoint", () => {
  const own = loneNode(1, { endpoint: endpoint("203.0.113.1:12345") });
  const { device } = desired(mesh([own]), settings({ privateKey: key(77) }));
  assert.deepEqual(device, { privateKey: key(77), listenPort: 12345, peers: [] });
});

Deno.test("desired() addresses the tunnel only where local routes are its own", () => {
  assert.deepEqual(desired(mesh([node(1)]), settings()).tunnelAddress, prefix("10.42.1.1/32"));
  const remote = desired(mesh([node(1)]), settings({ local: false }));
  assert.equal(remote.tunnelAddress, undefined);
});

Deno.test("desired() puts a public key on the device once: nodes first, then Peers by name", () => {
  const peers = [
    peer(3, { publicKey: key(203) }),
    peer(4, { publicKey: key(203) }),
    peer(5, { publicKey: key(2) }), // of a node that does not lead
  ];
  const topology = mesh([node(1), node(2)], { peers });
  const state = desired(topology, settings());
  assert.deepEqual(state.device.peers.map((peer) => peer.publicKey), [key(203)]);
  assert.deepEqual(state.warnings.map(({ text }) => text), [
    "Peer p4 is not on the device: Peer p3 has its public key",
    "Peer p5 is not on the device: node n2 has its public key",
  ]);
  assert.equal(topology.peers.length, 3);
});

Deno.test("desired() warns of nodes with one public key", () => {
  const { warnings } = desired(mesh([node(1), node(2), node(3, { key: key(2) })]), settings());
  assert.deepEqual(warnings.map(({ text }) => text), ["node n2 and node n3 have one public key"]);
});
