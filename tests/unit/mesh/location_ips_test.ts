import assert from "node:assert/strict";
import { formatPrefix } from "../../../src/net/prefix.ts";
import type { Peer } from "../../../src/mesh/peer.ts";
import type { CompleteNode } from "../../../src/mesh/readiness.ts";
import { loneNode, mesh, peer, prefix } from "./cluster.ts";

function kept(nodes: readonly CompleteNode[], peers: readonly Peer[] = []): string[][] {
  return mesh(nodes, { peers }).segments
    .map((segment) => segment.allowedLocationIPs.map(formatPrefix));
}

function declares(number: number, ...texts: string[]): CompleteNode {
  return loneNode(number, { allowedLocationIPs: texts.map(prefix) });
}

Deno.test("allowed location IPs are sorted by text and listed once", () => {
  assert.deepEqual(kept([declares(1, "10.9.0.0/24", "10.10.0.0/24", "10.9.0.0/24")]), [[
    "10.10.0.0/24",
    "10.9.0.0/24",
  ]]);
});

Deno.test("allowed location IPs that overlap belong to the last location that declares them", () => {
  const nodes = [
    declares(1, "172.16.0.0/16"),
    declares(2, "172.16.7.0/24", "172.17.0.0/16"),
    declares(3, "172.16.7.7/32"),
  ];
  assert.deepEqual(kept(nodes), [[], ["172.17.0.0/16"], ["172.16.7.7/32"]]);
});

Deno.test("allowed location IPs of one location may overlap each other", () => {
  const texts = ["172.16.0.0/16", "172.16.7.0/24"];
  assert.deepEqual(kept([declares(1, ...texts)]), [texts]);
});

Deno.test("an allowed location IP is dropped if its address lies inside an allowed IP", () => {
  const texts = ["10.42.0.0/16", "10.42.2.9/16", "10.42.1.9/32"];
  assert.deepEqual(kept([declares(1, ...texts), loneNode(2)]), [["10.42.0.0/16"], []]);
});

Deno.test("an allowed location IP is compared only with WireGuard addresses given out so far", () => {
  const texts = ["10.4.0.0/32", "10.4.0.1/32", "10.4.0.2/32", "10.4.0.3/32"];
  assert.deepEqual(kept([loneNode(1), declares(2, ...texts), loneNode(3)])[1], [
    "10.4.0.0/32",
    "10.4.0.3/32",
  ]);
});

Deno.test("an allowed location IP is dropped if it overlaps a Peer's allowed IP", () => {
  const nodes = [declares(1, "10.5.0.0/16", "10.5.0.1/32", "10.6.0.0/16")];
  assert.deepEqual(kept(nodes, [peer(1)]), [["10.6.0.0/16"]]);
});

Deno.test("each dropped allowed location IP is a warning that says what is in its way", () => {
  const { warnings } = mesh([declares(1, "10.42.2.9/32"), declares(2, "10.5.0.0/16")], {
    peers: [peer(1)],
  });
  assert.deepEqual(warnings.map(({ text }) => text).toSorted(), [
    "allowed location IP 10.42.2.9/32 of node:n1 is ignored: it overlaps 10.42.2.0/24 of a node",
    "allowed location IP 10.5.0.0/16 of node:n2 is ignored: it overlaps 10.5.0.1/32 of a Peer",
  ]);
});
