import assert from "node:assert/strict";
import { resolveEndpoints } from "../../../src/agent/names.ts";
import { Resolver } from "../../../src/agent/resolver.ts";
import type { Granularity } from "../../../src/mesh/node.ts";
import type { Peer } from "../../../src/mesh/peer.ts";
import type { CompleteNode } from "../../../src/mesh/readiness.ts";
import { formatIP } from "../../../src/net/ip.ts";
import { endpoint, ip, loneNode, node, peer } from "../mesh/cluster.ts";

interface Cluster {
  readonly nodes: readonly CompleteNode[];
  readonly peers?: readonly Peer[];
  readonly granularity?: Granularity;
}

/** What is known once these addresses, and no others, have been found. */
async function resolve(
  { nodes, peers = [], granularity = "location" }: Cluster,
  known: Readonly<Record<string, string>> = {},
) {
  using resolver = new Resolver({
    lookup: (name) =>
      known[name]
        ? Promise.resolve({ A: [ip(known[name])], AAAA: [] })
        : Promise.reject(new Error("no such name")),
    changed: () => {},
    period: 1000,
  });
  const look = () => resolveEndpoints({ nodes, peers }, { resolver, granularity });
  look();
  await new Promise((resolve) => setTimeout(resolve)); // nothing but promises is between
  return look();
}

const named = { endpoint: endpoint("leader.example:7") };

Deno.test("resolveEndpoints() adds addresses to names, of nodes and of Peers", async () => {
  const cluster = { nodes: [node(1, named), node(2)], peers: [peer(1, named), peer(2)] };
  const { nodes, peers, undecided } = await resolve(cluster, { "leader.example": "192.0.2.1" });
  const shown = [...nodes, ...peers].map(({ endpoint }) =>
    endpoint && [endpoint.dns, endpoint.ip && formatIP(endpoint.ip), endpoint.port]
  );
  assert.deepEqual(shown, [
    ["leader.example", "192.0.2.1", 7],
    [undefined, "10.0.0.2", 51820],
    ["leader.example", "192.0.2.1", 7],
    undefined,
  ]);
  assert.deepEqual(undecided, []);
});

Deno.test("resolveEndpoints() adds an address of each family", async () => {
  using resolver = new Resolver({
    lookup: () => Promise.resolve({ A: [ip("192.0.2.1")], AAAA: [ip("2001:db8::1")] }),
    changed: () => {},
    period: 1000,
  });
  const look = () =>
    resolveEndpoints({ nodes: [node(1, named)], peers: [] }, { resolver, granularity: "full" });
  look();
  await new Promise((resolve) => setTimeout(resolve)); // nothing but promises is between
  const [found] = look().nodes;
  assert.deepEqual(found!.endpoint, {
    ...named.endpoint,
    ip: ip("192.0.2.1"),
    alternative: ip("2001:db8::1"),
  });
});

Deno.test("resolveEndpoints() cannot decide for a node among others whose name is unknown", async () => {
  const { undecided } = await resolve({ nodes: [node(1, named), node(2)] });
  assert.deepEqual(undecided, ["leader.example"]);
});

Deno.test("resolveEndpoints() goes on without an endpoint where no election depends on it", async () => {
  const clusters: readonly Cluster[] = [
    { nodes: [node(1), node(2)], peers: [peer(1, named)] },
    { nodes: [node(1, { ...named, location: "x" }), node(2)] },
    { nodes: [loneNode(1, named), node(2)] },
    { nodes: [node(1, named), node(2)], granularity: "full" },
  ];
  for (const cluster of clusters) {
    const { nodes, peers, undecided } = await resolve(cluster);
    assert.deepEqual(undecided, []);
    assert.deepEqual([...nodes], [...cluster.nodes]);
    assert.deepEqual([...peers], [...cluster.peers ?? []]);
  }
});
