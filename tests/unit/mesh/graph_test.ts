import assert from "node:assert/strict";
import { edgeCount, graph } from "../../../src/mesh/graph.ts";
import { loneNode, mesh, node, peer } from "./cluster.ts";

Deno.test("graph() draws leaders with their nodes, with each other and with Peers", () => {
  const topology = mesh([node(1), node(2), loneNode(9)], { peers: [peer(1)] });
  const edges = graph(topology).split("\n").filter((line) => line.includes("->"));
  assert.deepEqual(edges, [
    '\t"n1"->"n2"[ dir=both ];',
    '\t"n1"->"n9"[ dir=both ];',
    '\t"n1"->"p1"[ dir=both, style=dashed ];',
    '\t"n9"->"p1"[ dir=both, style=dashed ];',
  ]);
});

Deno.test("edgeCount() tells how many edges graph() draws", () => {
  const lone = [loneNode(7), loneNode(8), loneNode(9)];
  const topologies = [
    mesh([node(1)]),
    mesh([node(1), node(2), node(3)], { peers: [peer(1)] }),
    mesh([node(1), node(2), ...lone], { peers: [peer(1), peer(2)] }),
  ];
  for (const topology of topologies) {
    assert.equal(edgeCount(topology), graph(topology).split("->").length - 1);
  }
});

Deno.test("graph() escapes quotes and backslashes of locations", () => {
  const text = graph(mesh([node(1, { location: 'a"b\\c' })]));
  assert.ok(text.includes('\tsubgraph "cluster_location_location:a\\"b\\\\c" {'));
  assert.ok(
    text.includes('[ label="location:a\\"b\\\\c\\nn1\\n10.42.1.0/24\\n10.0.0.1\\n10.4.0.1'),
  );
});
