import assert from "node:assert/strict";
import fc from "fast-check";
import type { Endpoint } from "../../src/net/endpoint.ts";
import type { IP } from "../../src/net/ip.ts";
import { keyFromBytes } from "../../src/net/key.ts";
import { contains, formatPrefix, network, overlaps, type Prefix } from "../../src/net/prefix.ts";
import { desired, type Settings } from "../../src/mesh/desired.ts";
import type { Granularity } from "../../src/mesh/node.ts";
import type { Peer } from "../../src/mesh/peer.ts";
import type { CompleteNode } from "../../src/mesh/readiness.ts";
import { type Topology, topology } from "../../src/mesh/topology.ts";

interface Cluster {
  readonly nodes: readonly CompleteNode[];
  readonly peers: readonly Peer[];
}

const SUBNET: Prefix = v4(10, 4, 0, 0, 24);

function v4(a: number, b: number, c: number, d: number, bits: number): Prefix {
  return { ip: { family: 4, value: BigInt(((a * 256 + b) * 256 + c) * 256 + d) }, bits };
}

function v6(index: number, bits: number): Prefix {
  return { ip: { family: 6, value: 0xfd42n << 112n | BigInt(index) << 64n }, bits };
}

function keyOf(kind: number, index: number) {
  const bytes = new Uint8Array(32);
  bytes.set([kind, index]);
  return keyFromBytes(bytes);
}

const address: fc.Arbitrary<IP> = fc.constantFrom(
  v4(203, 0, 113, 7, 32).ip,
  v4(10, 0, 0, 9, 32).ip,
  v6(1, 128).ip,
);

const endpoint: fc.Arbitrary<Endpoint> = fc.oneof(
  address.map((ip) => ({ ip, port: 51820 })),
  fc.constant({ dns: "node.example.com", port: 51820 }),
  address.map((ip) => ({ dns: "node.example.com", ip, port: 51821 })),
);

/** Anywhere near the addresses that nodes and Peers have. */
const locationIP: fc.Arbitrary<Prefix> = fc
  .tuple(fc.constantFrom(4, 5, 42, 99), fc.nat(3), fc.nat(3), fc.integer({ min: 14, max: 32 }))
  .map(([second, third, fourth, bits]) => v4(10, second, third, fourth, bits));

const discovered = fc
  .dictionary(fc.constantFrom("a", keyOf(0, 0), keyOf(0, 1), keyOf(1, 0)), address)
  .map((seen) => new Map(Object.entries(seen).map(([key, ip]) => [key, { ip, port: 30000 }])));

/** Unique keys, disjoint pod subnets and internal addresses. */
function node(index: number, name: string): fc.Arbitrary<CompleteNode> {
  return fc.record({
    name: fc.constant(name),
    key: fc.constant(keyOf(0, index)),
    subnet: fc.constantFrom(v4(10, 42, index, 0, 24), v6(index, 64)),
    internalIP: fc.constantFrom(undefined, v4(192, 168, index % 2, index, 24)),
    location: fc.constantFrom("", "a", "b"),
    leader: fc.boolean(),
    endpoint,
    persistentKeepalive: fc.constantFrom(0, 25),
    allowedLocationIPs: fc.array(locationIP, { maxLength: 3 }),
    discoveredEndpoints: discovered,
    lastSeen: fc.constant(0),
  }).map(({ internalIP, ...rest }) => ({ ...rest, ...internalIP && { internalIP } }));
}

/** Unique keys, disjoint allowed IPs. */
function peer(index: number, name: string): fc.Arbitrary<Peer> {
  return fc.record({
    name: fc.constant(name),
    publicKey: fc.constant(keyOf(1, index)),
    endpoint: fc.option(endpoint, { nil: undefined }),
    persistentKeepalive: fc.constantFrom(0, 10),
    allowedIPs: fc.subarray([v4(10, 5, index, 1, 32), v4(10, 5, index, 128, 25)]),
  }).map(({ endpoint, ...rest }) => ({ ...rest, ...endpoint && { endpoint } }));
}

function named<T>(
  make: (index: number, name: string) => fc.Arbitrary<T>,
  minLength: number,
): fc.Arbitrary<T[]> {
  const name = fc.string({ minLength: 1, maxLength: 3, unit: fc.constantFrom("a", "B", "-", "1") });
  return fc.uniqueArray(name, { minLength, maxLength: 9 })
    .chain((names) => fc.tuple(...names.map((name, index) => make(index, name))));
}

const cluster: fc.Arbitrary<Cluster> = fc.record({ nodes: named(node, 1), peers: named(peer, 0) });
const granularity: fc.Arbitrary<Granularity> = fc.constantFrom("location", "full");

const settings: fc.Arbitrary<Settings> = fc.record({
  strategy: fc.constantFrom("never", "crosssubnet", "always"),
  encapsulator: fc.constantFrom("ipip", "flannel", "cilium"),
  tunnel: fc.boolean(),
  privateAddress: fc.constant(v4(192, 168, 0, 1, 24)),
  local: fc.boolean(),
  cni: fc.boolean(),
  forwardRules: fc.boolean(),
  serviceCIDRs: fc.constant([v4(10, 43, 0, 0, 16)]),
});

function meshOf(cluster: Cluster, granularity: Granularity, hostname?: string): Topology {
  const view = { hostname: hostname ?? cluster.nodes[0]!.name, granularity, subnet: SUBNET };
  return topology(cluster, view);
}

function freeze<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  Object.values(value).forEach(freeze);
  return Object.freeze(value);
}

Deno.test("the mesh does not depend on the order of nodes and Peers", () => {
  const property = fc.property(cluster, granularity, settings, fc.infiniteStream(fc.nat()), (
    cluster,
    granularity,
    settings,
    random,
  ) => {
    const shuffle = <T>(values: readonly T[]) =>
      values.map((value) => ({ value, at: random.next().value }))
        .sort((a, b) => a.at - b.at).map(({ value }) => value);
    const other = { nodes: shuffle(cluster.nodes), peers: shuffle(cluster.peers) };
    const hostname = cluster.nodes[0]!.name;
    const mesh = meshOf(cluster, granularity, hostname);
    const shuffled = meshOf(other, granularity, hostname);
    assert.deepEqual(shuffled, mesh);
    assert.deepEqual(desired(shuffled, settings), desired(mesh, settings));
  });
  fc.assert(property, { numRuns: 200 });
});

Deno.test("the mesh computed twice is the same, and its input is untouched", () => {
  const property = fc.property(cluster, granularity, settings, (cluster, granularity, settings) => {
    freeze(cluster);
    const first = meshOf(cluster, granularity);
    const second = meshOf(cluster, granularity);
    assert.deepEqual(second, first);
    assert.deepEqual(desired(second, settings), desired(freeze(first), settings));
  });
  fc.assert(property, { numRuns: 200 });
});

Deno.test("all nodes compute the same segments and leaders, and each segment has one", () => {
  const property = fc.property(cluster, granularity, (cluster, granularity) => {
    const views = cluster.nodes.map((node) => meshOf(cluster, granularity, node.name));
    const common = ({ segments, peers, warnings }: Topology) => ({
      // What is discovered on a node comes first there.
      segments: segments.map(({ endpoint: _, ...segment }) => segment),
      peers,
      warnings,
    });
    for (const view of views) assert.deepEqual(common(view), common(views[0]!));
    const leaders = views.filter((view) => view.isLeader).map((view) => view.local.name);
    assert.deepEqual(
      leaders.sort(),
      views[0]!.segments.map((segment) => segment.leader.name).sort(),
    );
  });
  fc.assert(property, { numRuns: 200 });
});

/** A location may have declared what later became the WireGuard address of another one. */
const isOutside = (prefix: Prefix) => !overlaps(prefix, SUBNET);
const text = (prefix: Prefix) => formatPrefix(network(prefix));

Deno.test("no address has two owners, and every pod subnet has one", () => {
  const property = fc.property(cluster, granularity, settings, (cluster, granularity, settings) => {
    for (const { name } of cluster.nodes) {
      const mesh = meshOf(cluster, granularity, name);
      const { allowedIPs, allowedLocationIPs } = mesh.localSegment;
      const targets = [
        [...allowedIPs, ...allowedLocationIPs],
        ...desired(mesh, settings).device.peers.map((peer) => peer.allowedIPs),
      ].map((prefixes) => new Set(prefixes.filter(isOutside).map(text)));
      const owned = targets.flatMap((texts) => [...texts]);
      assert.equal(new Set(owned).size, owned.length);
      for (const { subnet } of cluster.nodes) assert.ok(owned.includes(text(subnet)));
      const addresses = mesh.segments.map((segment) => segment.wireGuardIP.value);
      assert.equal(new Set(addresses).size, addresses.length);
    }
  });
  fc.assert(property, { numRuns: 200 });
});

/** The rule as it is written: segment by segment, against what stands at that time. */
function filterOneByOne({ segments, peers }: Topology, declared: readonly Prefix[][]): Prefix[][] {
  const current = declared.map((prefixes) => [...prefixes]);
  for (const at of segments.keys()) {
    current[at] = current[at]!.filter((prefix) =>
      !current.some((others, other) => other !== at && others.some((it) => overlaps(it, prefix))) &&
      !segments.some(({ allowedIPs }, other) =>
        (other <= at ? allowedIPs : allowedIPs.slice(0, -1))
          .some((allowed) => contains(allowed, prefix.ip))
      ) &&
      !peers.some(({ allowedIPs }) => allowedIPs.some((it) => overlaps(it, prefix)))
    );
  }
  return current;
}

Deno.test("allowed location IPs are filtered as the rule says, segment by segment", () => {
  const property = fc.property(cluster, granularity, (cluster, granularity) => {
    const mesh = meshOf(cluster, granularity);
    const declared = mesh.segments.map(({ nodes }) => {
      const all = nodes.flatMap((node) => node.allowedLocationIPs);
      return [...new Map(all.map((prefix) => [formatPrefix(prefix), prefix])).values()];
    });
    const expected = filterOneByOne(mesh, declared).map((prefixes) => prefixes.map(formatPrefix));
    assert.deepEqual(
      mesh.segments.map((segment) => segment.allowedLocationIPs.map(formatPrefix)),
      expected.map((texts) => texts.sort()),
    );
    const dropped = declared.flat().length - expected.flat().length;
    assert.equal(mesh.warnings.length, dropped);
  });
  fc.assert(property, { numRuns: 1000 });
});
