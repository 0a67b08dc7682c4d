import assert from "node:assert/strict";
import { formatIP } from "../../../src/net/ip.ts";
import { formatPrefix } from "../../../src/net/prefix.ts";
import type { Route, Rule } from "../../../src/net/route.ts";
import type { Settings } from "../../../src/mesh/desired.ts";
import { routing } from "../../../src/mesh/routes.ts";
import type { Topology } from "../../../src/mesh/topology.ts";
import { endpoint, ip, key, loneNode, mesh, node, peer, prefix, settings } from "./cluster.ts";

/** As `ip route` and `ip rule` would take them. */
function text({ dst, gateway, device, source, table, onlink }: Route): string {
  return [
    formatPrefix(dst),
    ...gateway ? ["via", formatIP(gateway)] : [],
    ...device ? ["dev", device] : [],
    ...source ? ["src", formatIP(source)] : [],
    ...table ? ["table", table] : [],
    ...onlink ? ["onlink"] : [],
  ].join(" ");
}

function ruleText({ src, dst, iif, table }: Rule): string {
  const from = src ? `from ${formatPrefix(src)} ` : "";
  return `${from}to ${formatPrefix(dst)}${iif ? ` iif ${iif}` : ""} lookup ${table}`;
}

function expectRouting(
  topology: Topology,
  fields: Partial<Settings>,
  expected: { routes: string[]; rules?: string[] },
): void {
  const { routes, rules } = routing(topology, settings(fields));
  assert.deepEqual(routes.map(text), expected.routes);
  assert.deepEqual(rules.map(ruleText), expected.rules ?? []);
}

const LEADER = mesh([node(1), node(2)]);
const FOLLOWER = mesh([node(1), node(2)], { hostname: "n2" });

Deno.test("routing() of a leader leads to other segments over the WireGuard interface", () => {
  const other = loneNode(9, { allowedLocationIPs: [prefix("172.16.0.1/16")] });
  const topology = mesh([node(1), other], { peers: [peer(1)] });
  expectRouting(topology, { strategy: "never" }, {
    routes: [
      "10.42.9.0/24 via 10.4.0.2 dev kilo src 10.0.0.1 onlink",
      "172.16.0.1/16 via 10.4.0.2 dev kilo src 10.0.0.1 onlink",
      "10.5.0.1/32 dev kilo src 10.0.0.1",
    ],
  });
});

Deno.test("routing() prefers no source that this host has not got", () => {
  const topology = mesh([node(1), node(2), loneNode(9)], { peers: [peer(1)] });
  const { routes, rules } = routing(topology, settings());
  const lacking = routing(topology, settings({ lacksSource: true }));
  assert.deepEqual(
    lacking.routes.map(text),
    routes.map(text).map((it) => it.replace(/ src \S+/, "")),
  );
  assert.equal(routes.filter(({ source }) => source).length, 4);
  assert.deepEqual(lacking.rules, rules);
});

Deno.test("routing() leaves out an internal address that is the segment's endpoint", () => {
  const declared = mesh([node(1), node(2, { location: "m" }), node(3, { location: "m" })]);
  expectRouting(declared, {}, {
    routes: [
      "10.42.2.0/24 via 10.4.0.2 dev kilo src 10.0.0.1 onlink",
      "10.42.3.0/24 via 10.4.0.2 dev kilo src 10.0.0.1 onlink",
      "10.0.0.3/32 via 10.4.0.2 dev kilo src 10.0.0.1 onlink",
    ],
  });
  const discoveredEndpoints = new Map([[key(2), { ip: ip("10.0.0.2"), port: 9 }]]);
  const moved = { location: "m", persistentKeepalive: 5, endpoint: endpoint("203.0.113.2:1") };
  expectRouting(mesh([node(1, { discoveredEndpoints }), node(2, moved)]), {}, {
    routes: ["10.42.2.0/24 via 10.4.0.2 dev kilo src 10.0.0.1 onlink"],
  });
});

Deno.test("routing() compares internal addresses with where the device sends to", () => {
  const other = node(9, { location: "m" });
  const internal = (usedEndpoints?: Settings["usedEndpoints"]) =>
    routing(mesh([node(1), other]), settings(usedEndpoints && { usedEndpoints })).routes
      .map(({ dst }) => formatPrefix(dst)).filter((dst) => dst.endsWith("/32"));
  assert.deepEqual(internal(), [], "it declares that it is there");
  assert.deepEqual(internal(new Map([[key(9), ip("198.51.100.7")]])), ["10.0.0.9/32"]);
  assert.deepEqual(internal(new Map([[key(9), ip("10.0.0.9")]])), []);
  assert.deepEqual(internal(new Map([[key(8), ip("198.51.100.7")]])), []);
});

Deno.test("routing() inside a location goes through the tunnel, also from the pods' addresses", () => {
  expectRouting(LEADER, {}, {
    routes: [
      "10.42.2.0/24 via 10.0.0.2 dev tunnel src 10.0.0.1 onlink",
      "10.0.0.2/32 via 10.0.0.2 dev tunnel src 10.0.0.1 table 1107 onlink",
    ],
    rules: [
      "from 10.42.1.0/24 to 10.0.0.2/32 lookup 1107",
      "to 10.0.0.2/32 iif kilo lookup 1107",
    ],
  });
  expectRouting(FOLLOWER, {}, {
    routes: [
      "10.42.1.0/24 via 10.0.0.1 dev tunnel src 10.0.0.2 onlink",
      "10.0.0.1/32 via 10.0.0.1 dev tunnel src 10.0.0.2 table 1107 onlink",
      "10.4.0.1/32 via 10.0.0.1 dev tunnel src 10.0.0.2 onlink",
    ],
    rules: ["from 10.42.2.0/24 to 10.0.0.1/32 lookup 1107"],
  });
});

Deno.test("routing() inside a subnet goes without the tunnel if only other subnets need it", () => {
  expectRouting(LEADER, { strategy: "crosssubnet" }, {
    routes: ["10.42.2.0/24 via 10.0.0.2 dev private onlink"],
  });
});

Deno.test("routing() goes without the tunnel where there is none", () => {
  const routes = ["10.42.2.0/24 via 10.0.0.2 dev private onlink"];
  expectRouting(LEADER, { tunnel: false }, { routes });
  expectRouting(LEADER, { strategy: "never" }, { routes });
});

Deno.test("routing() of a follower leads everything else through the leader", () => {
  const far = node(9, { location: "m", allowedLocationIPs: [prefix("172.16.0.0/16")] });
  const topology = mesh([node(1), node(2), far], { hostname: "n2", peers: [peer(1)] });
  const to = "via 10.0.0.1 dev private onlink";
  expectRouting(topology, { local: false, strategy: "never" }, {
    routes: [
      `10.4.0.1/32 ${to}`,
      `10.42.9.0/24 ${to}`,
      `10.0.0.9/32 ${to}`,
      `10.4.0.2/32 ${to}`,
      `172.16.0.0/16 ${to}`,
      `10.5.0.1/32 ${to}`,
    ],
  });
});

Deno.test("routing() of a leader reaches nodes through another network's tunnel", () => {
  expectRouting(LEADER, { local: false, encapsulator: "flannel" }, {
    routes: ["10.0.0.2/32 via 10.42.2.0 dev tunnel table 1107 onlink"],
    rules: ["to 10.0.0.2/32 iif kilo lookup 1107"],
  });
  expectRouting(LEADER, { local: false, encapsulator: "flannel", strategy: "never" }, {
    routes: [],
  });
  expectRouting(LEADER, { local: false }, { routes: [] });
  expectRouting(FOLLOWER, { local: false, encapsulator: "flannel" }, {
    routes: ["10.4.0.1/32 via 10.42.1.0 dev tunnel src 10.0.0.2 onlink"],
  });
});

Deno.test("routing() takes Cilium's own address as the gateway if the node says one", () => {
  const topology = mesh([
    node(1),
    node(2, { cniCompatibilityIP: prefix("10.42.2.77/32") }),
    node(3),
  ]);
  expectRouting(topology, { encapsulator: "cilium", strategy: "never" }, {
    routes: [
      "10.42.2.0/24 via 10.42.2.77 dev private onlink",
      "10.42.3.0/24 via 10.42.3.0 dev private onlink",
    ],
  });
});

Deno.test("routing() skips nodes with the local internal address", () => {
  expectRouting(mesh([node(1), node(2, { internalIP: prefix("10.0.0.1/32") })]), {}, {
    routes: [],
  });
});

Deno.test("routing() has no way inside the location for an address no interface has, and says so", () => {
  const nodes = [node(1), node(2), loneNode(9)];
  const { privateAddress: _, ...nowhere } = settings();
  const leader = routing(mesh(nodes), nowhere);
  assert.deepEqual(leader.routes.map(text), ["10.42.9.0/24 via 10.4.0.2 dev kilo onlink"]);
  assert.deepEqual(leader.warnings.map(({ text }) => text), [
    "node n1 has no interface with an internal address: there are no routes inside its location",
  ]);
  const follower = routing(mesh(nodes, { hostname: "n2" }), nowhere);
  assert.deepEqual([follower.routes, follower.rules, follower.warnings.length], [[], [], 1]);
  assert.deepEqual(routing(mesh([node(1), loneNode(9)]), nowhere).warnings, []);
});
