/** Whatever Nodes and Peers say, a host that applies it keeps what it is built on. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { type Desired, desired } from "../../src/mesh/desired.ts";
import type { HostFacts } from "../../src/mesh/host_facts.ts";
import type { Peer } from "../../src/mesh/peer.ts";
import { protect } from "../../src/mesh/protect.ts";
import type { CompleteNode } from "../../src/mesh/readiness.ts";
import { type Topology, topology } from "../../src/mesh/topology.ts";
import { equalIP, type IP } from "../../src/net/ip.ts";
import { keyFromBytes } from "../../src/net/key.ts";
import type { Route } from "../../src/net/route.ts";
import { contains, formatPrefix, network, type Prefix } from "../../src/net/prefix.ts";

/** So few addresses that everything meets: 10.0.0.0/28 and 172.16.0.0/28, or the same in IPv6. */
const ip: fc.Arbitrary<IP> = fc
  .record({ six: fc.integer({ min: 0, max: 9 }), net: fc.boolean(), host: fc.nat(15) })
  .map(({ six, net, host }) =>
    six === 0
      ? { family: 6, value: (net ? 0xfd00n : 0xfd01n) << 112n | BigInt(host) }
      : { family: 4, value: (net ? 0x0a000000n : 0xac100000n) + BigInt(host) }
  );

function prefix(bits: fc.Arbitrary<number>): fc.Arbitrary<Prefix> {
  return fc.record({ ip, bits }).map(({ ip, bits }) => ({
    ip,
    bits: ip.family === 4 ? bits : bits < 20 ? bits : bits + 96,
  }));
}

const any = prefix(fc.oneof(fc.integer({ min: 24, max: 32 }), fc.integer({ min: 0, max: 12 })));
const lan = prefix(fc.constantFrom(28, 29, 30)).filter(({ ip }) => ip.family === 4);

function key(kind: number, index: number) {
  return keyFromBytes(new Uint8Array(32).fill(kind * 100 + index + 1));
}

function node(index: number): fc.Arbitrary<CompleteNode> {
  return fc.record({
    name: fc.constant(`n${index}`),
    key: fc.constant(key(0, index)),
    location: fc.constantFrom("a", "b"),
    leader: fc.boolean(),
    created: fc.nat(3),
    endpoint: ip.map((ip) => ({ ip, port: 51820 })),
    internalIP: fc.option(lan, { nil: undefined }),
    subnet: prefix(fc.integer({ min: 27, max: 30 })).map(network),
    persistentKeepalive: fc.constantFrom(0, 5),
    allowedLocationIPs: fc.array(any, { maxLength: 2 }),
    discoveredEndpoints: fc.constant(new Map()),
    lastSeen: fc.constant(0),
  }).map(({ internalIP, ...rest }) => ({ ...rest, ...internalIP && { internalIP } }));
}

function peer(index: number): fc.Arbitrary<Peer> {
  return fc.record({
    name: fc.constant(`p${index}`),
    publicKey: fc.constant(key(1, index)),
    endpoint: fc.option(ip.map((ip) => ({ ip, port: 1 })), { nil: undefined }),
    persistentKeepalive: fc.constantFrom(0, 5),
    allowedIPs: fc.array(any, { minLength: 1, maxLength: 4 }),
  }).map(({ endpoint, ...rest }) => ({ ...rest, ...endpoint && { endpoint } }));
}

const facts: fc.Arbitrary<HostFacts> = fc.record({
  networks: fc.array(lan.map((each) => ({ prefix: network(each), device: "eth0" })), {
    maxLength: 2,
  }),
  addresses: fc.array(ip, { maxLength: 2 }),
  ways: fc.array(
    fc.record({
      dst: prefix(fc.constantFrom(0, 12, 28, 30)).map(network),
      gateway: fc.option(ip, { nil: undefined }),
      oif: fc.nat(3),
      onlink: fc.boolean(),
      metric: fc.nat(1),
    }),
    { maxLength: 3 },
  ),
  servers: fc.array(ip.map((ip) => ({ ip, role: "name server" as const })), { maxLength: 2 }),
  endpoints: fc.array(
    fc.record({
      publicKey: fc.constantFrom(key(0, 1), key(1, 0), key(1, 1)),
      ip,
      hasLived: fc.boolean(),
    }),
    { maxLength: 2 },
  ),
});

interface Case {
  readonly mesh: Topology;
  readonly computed: Desired;
  readonly applied: Desired;
  readonly facts: HostFacts;
}

const cases: fc.Arbitrary<Case> = fc.record({
  nodes: fc.tuple(node(0), node(1), node(2)),
  peers: fc.tuple(peer(0), peer(1)),
  strategy: fc.constantFrom("never", "always"),
  facts,
}).map(({ nodes, peers, strategy, facts }) => {
  const subnet: Prefix = { ip: { family: 4, value: 0x0a040000n }, bits: 16 };
  const mesh = topology({ nodes, peers }, { hostname: "n0", granularity: "location", subnet });
  const settings = {
    ...{ strategy, encapsulator: "ipip" as const, tunnel: true, local: true, cni: true },
    ...{ forwardRules: false, serviceCIDRs: [] },
    ...mesh.local.internalIP && { privateAddress: mesh.local.internalIP },
  } as const;
  const computed = desired(mesh, settings);
  return { mesh, computed, facts, applied: protect({ desired: computed, topology: mesh }, facts) };
});

/**
 * Does a packet to the address take a route that is there for a Node or Peer? The kernel looks for the
 * longest match; of two as long ours comes first.
 */
function isTaken({ mesh, applied, facts }: Case, to: IP): boolean {
  if (facts.addresses.some((own) => equalIP(own, to))) return false;
  const longest = applied.routes.filter(({ dst, table }) =>
    table === undefined && contains(dst, to)
  )
    .reduce<Route | undefined>((a, b) => a && a.dst.bits > b.dst.bits ? a : b, undefined);
  if (!longest?.claim) return false;
  const others = [
    mesh.local.subnet, // on the pods' bridge
    ...facts.networks.map(({ prefix }) => prefix),
    ...facts.ways.map(({ dst }) => dst),
  ];
  return !others.some((dst) => dst.bits > longest.dst.bits && contains(dst, to));
}

function isNodes({ segments }: Topology, ip: IP): boolean {
  return segments.some(({ nodes, wireGuardIP }) =>
    equalIP(wireGuardIP, ip) ||
    nodes.some(({ subnet, internalIP }) =>
      equalIP(internalIP?.ip, ip) || subnet.bits === 32 && contains(subnet, ip)
    )
  );
}

/** Is it the address of a node at which its segment is reached, or would be? */
function isOwnEndpoint(
  { segments }: Topology,
  ip: IP,
  used: readonly { readonly publicKey: string; readonly ip: IP }[],
): boolean {
  return segments.some(({ nodes, leader, endpoint }) =>
    [endpoint.ip, ...used.filter(({ publicKey }) => publicKey === leader.key).map(({ ip }) => ip)]
      .some((one) => equalIP(one, ip)) &&
    nodes.some(({ internalIP }) => equalIP(internalIP?.ip, ip))
  );
}

function check(property: (one: Case) => void): void {
  fc.assert(fc.property(cases, property), { numRuns: 3000 });
}

Deno.test("a host that applies a mesh keeps its gateways, neighbours and networks", () => {
  check((one) => {
    const { facts, mesh, applied } = one;
    for (const { dst, gateway } of facts.ways) {
      // Others' routes may go by a node, which is then reached as the mesh says.
      if (gateway && (dst.bits === 0 || !isNodes(mesh, gateway))) assert.ok(!isTaken(one, gateway));
    }
    for (const { internalIP } of mesh.localSegment.nodes) {
      assert.ok(!internalIP || !isTaken(one, internalIP.ip));
    }
    const main = applied.routes.filter(({ table }) => table === undefined);
    const networks = new Set(facts.networks.map(({ prefix }) => formatPrefix(prefix)));
    assert.ok(main.every(({ dst }) => !networks.has(formatPrefix(network(dst)))));
    assert.ok(main.every(({ dst }) => dst.bits >= 8));
  });
});

Deno.test("a host that applies a mesh sends encrypted packets by no route of the mesh", () => {
  check((one) => {
    const { mesh, computed, facts } = one;
    const leaders = new Set(mesh.segments.map(({ leader }) => leader.key));
    const used = facts.endpoints.filter(({ publicKey, hasLived }) =>
      hasLived && leaders.has(publicKey)
    );
    for (
      const ip of [
        ...mesh.segments.map(({ endpoint }) => endpoint.ip!),
        ...used.map(({ ip }) => ip),
      ]
    ) {
      // A follower sends to a node's own address by its leader; and who is found elsewhere is not there.
      if (!isOwnEndpoint(mesh, ip, used)) assert.ok(!isTaken(one, ip));
    }
    // A Peer's endpoint may be inside what a node has: then it is reached through that node.
    const held = mesh.segments.flatMap(({ allowedIPs }) => allowedIPs);
    for (const { endpoint } of computed.device.peers) {
      const ip = endpoint?.ip;
      if (ip && !held.some((prefix) => contains(prefix, ip))) assert.ok(!isTaken(one, ip));
    }
  });
});

Deno.test("a host that applies a mesh keeps its pods, and nodes keep what they have", () => {
  check(({ mesh, applied }) => {
    const { subnet } = mesh.local;
    for (const { dst, table } of applied.routes) {
      if (table !== undefined) continue;
      assert.ok(dst.bits < subnet.bits || !contains(subnet, dst.ip), formatPrefix(dst));
    }
    const owners = new Map<string, string>();
    const peers = new Set(mesh.peers.map(({ publicKey }) => publicKey));
    const held = mesh.segments.flatMap(({ allowedIPs }) => allowedIPs);
    for (const { publicKey, allowedIPs } of applied.device.peers) {
      for (const prefix of allowedIPs) {
        if (peers.has(publicKey)) {
          assert.ok(held.every((had) => prefix.bits < had.bits || !contains(had, prefix.ip)));
        } else {
          const text = formatPrefix(network(prefix));
          assert.ok((owners.get(text) ?? publicKey) === publicKey, `${text} has two owners`);
          owners.set(text, publicKey);
        }
      }
    }
  });
});

Deno.test("what is left out of a mesh is told, and nothing else is changed", () => {
  check(({ mesh, computed, applied, facts }) => {
    const before = computed.routes
      .filter(({ dst, claim }) =>
        claim?.kind !== "internal" || !isOwnEndpoint(mesh, dst.ip, facts.endpoints)
      )
      .map(({ dst }) => formatPrefix(dst));
    const after = new Set(applied.routes.map(({ dst }) => formatPrefix(dst)));
    const missing = before.filter((dst) => !after.has(dst));
    const reported = applied.warnings.slice(computed.warnings.length).map(({ text }) => text);
    for (const dst of missing) {
      const [address, bits] = dst.split("/") as [string, string];
      assert.ok(
        reported.some((text) => text.includes(`/${bits} `) || text.includes(address)),
        `${dst} is missing, and nothing said: ${reported.join("\n")}`,
      );
    }
    assert.equal(new Set(reported).size, reported.length, "nothing is said twice");
    if (reported.length > 0 || before.length < computed.routes.length) return;
    if (facts.endpoints.some(({ hasLived }) => hasLived)) return;
    assert.deepEqual(applied.routes, computed.routes);
    assert.deepEqual(applied.device, computed.device);
    assert.deepEqual(applied.firewall, computed.firewall);
  });
});
