import assert from "node:assert/strict";
import { resolveRoutes, resolveRules } from "../../src/dataplane/resolve.ts";
import { RouteApplier } from "../../src/dataplane/routes.ts";
import { RuleApplier } from "../../src/dataplane/rules.ts";
import { parsePrefix } from "../../src/net/prefix.ts";
import type { Route, Rule } from "../../src/net/route.ts";
import { readEvents } from "../../src/netlink/events.ts";
import { RTM_DELROUTE } from "../../src/netlink/route.ts";
import { Node, route } from "./dataplane_node.ts";

/** RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE */
const ROUTE_GROUPS = [7, 11];

const DESIRED = [
  route("10.42.1.7/24", { gateway: "10.4.0.2", source: "10.0.0.1" }),
  route("10.9.0.0/16"),
  route("10.1.0.5/32", { gateway: "10.0.0.5", device: "private", table: 1107 }),
  route("10.43.0.0/24", { gateway: "fd00::9", device: "private" }),
  route("fd42::1/64", { gateway: "fd04::2", source: "fd00::1" }),
  route("fd43::/64", { source: "10.0.0.1" }),
];

const AS_PRINTED = [
  "10.1.0.5 via 10.0.0.5 dev eth0 table 1107 onlink",
  "10.42.1.0/24 via 10.4.0.2 dev kilo0 src 10.0.0.1 onlink",
  "10.43.0.0/24 via inet6 fd00::9 dev eth0 onlink",
  "10.9.0.0/16 dev kilo0",
  "fd42::/64 via fd04::2 dev kilo0 src fd00::1 metric 1023 onlink",
  "fd43::/64 dev kilo0 metric 1023",
];

/** The appliers of a node, from routes as the mesh wants them. */
function appliers(node: Node) {
  const routes = new RouteApplier(node.connection);
  return {
    routes,
    apply: (desired: readonly Route[]) =>
      routes.apply(resolveRoutes(desired, node.devices).entries, node.devices),
  };
}

Deno.test("RouteApplier sets what ip(8) then shows, and sends nothing when nothing changes", () => {
  using node = new Node();
  const { routes, apply } = appliers(node);
  assert.deepEqual(apply(DESIRED), { changed: 6, refused: 0, warnings: [] });
  assert.deepEqual(node.routes("proto 107"), AS_PRINTED);

  node.sends = 0;
  assert.equal(apply(DESIRED).changed, 0);
  assert.equal(node.sends, 0);
  routes.invalidate();
  assert.equal(apply(DESIRED).changed, 0, "it reads back what it wrote");
  assert.equal(node.sends, 2, "one dump a family");
  assert.equal(appliers(node).apply(DESIRED).changed, 0, "another process finds all right");

  routes.remove(node.devices);
  assert.deepEqual(node.routes("proto 107"), []);
});

Deno.test("RouteApplier removes a predecessor's stale routes and touches neither right nor foreign ones", () => {
  using node = new Node();
  appliers(node).apply(DESIRED);
  node.ip("route add 10.99.0.0/24 dev kilo0 proto 107");
  node.ip("route add 10.99.0.0/24 dev eth0 proto 107 metric 5 table 42");
  node.ip("-6 route add fd99::/64 via fd00::9 dev eth0 proto 107");
  node.ip("route add blackhole 10.98.0.0/24 proto 107");
  node.ip("route change 10.9.0.0/16 dev eth0 proto 107");
  const foreign = node.routes("").filter((line) => !line.includes("proto 107"));

  const sockets = ROUTE_GROUPS.map((group) => node.listen(group));
  assert.equal(appliers(node).apply(DESIRED).changed, 5);
  assert.deepEqual(node.routes("proto 107"), AS_PRINTED);
  assert.deepEqual(node.routes("").filter((line) => !line.includes("proto 107")), foreign);
  assert.equal(eventsOf(sockets).length, 5);
});

Deno.test("RouteApplier stands in front of others' routes and gives way to them", () => {
  using node = new Node();
  node.ip("route add 10.9.0.0/16 via 10.0.0.9");
  node.ip("-6 route add fd43::/64 via fd00::9 dev eth0");
  const { routes, apply } = appliers(node);
  apply(DESIRED);
  assert.match(node.ip("route get 10.9.0.1"), /dev kilo0/);
  assert.match(node.ip("-6 route get fd43::1"), /dev kilo0/);
  apply([
    route("10.9.0.0/16", { gateway: "10.4.0.7" }),
    route("fd43::/64", { gateway: "fd04::7" }),
  ]);
  assert.match(node.ip("route get 10.9.0.1"), /via 10.4.0.7/);
  assert.match(node.ip("-6 route get fd43::1"), /via fd04::7/);
  routes.remove(node.devices);
  assert.match(node.ip("route get 10.9.0.1"), /via 10.0.0.9/);
  assert.match(node.ip("-6 route get fd43::1"), /via fd00::9/);
});

Deno.test("RouteApplier changes a route in one step, whatever changes", () => {
  using node = new Node();
  const { apply } = appliers(node);
  const vias = [
    { gateway: "10.4.0.2" },
    { gateway: "10.4.0.3", source: "10.0.0.1" },
    { gateway: "fd04::2" },
    { gateway: "10.0.0.5", device: "private" },
    {},
    { source: "10.0.0.1" },
    {},
  ] as const;
  const viasV6 = [
    { gateway: "fd04::2" },
    { gateway: "fd04::3", source: "fd00::1" },
    {},
    { device: "private" },
    { gateway: "fd04::2" },
    {},
    { source: "fd00::1" },
  ] as const;
  const sockets = ROUTE_GROUPS.map((group) => node.listen(group));
  vias.forEach((via, at) => {
    apply([route("10.42.1.0/24", via), route("fd42::/64", viasV6[at])]);
    assert.equal(node.routes("proto 107").length, 2);
  });
  const events = eventsOf(sockets);
  assert.equal(events.length, 2 * vias.length);
  assert.equal(events.filter(({ type }) => type === RTM_DELROUTE).length, 0);
});

Deno.test("RouteApplier goes on past refused routes and tries them again after a look", () => {
  using node = new Node();
  const { routes, apply } = appliers(node);
  const desired = [
    route("10.50.0.0/24", { source: "10.77.0.1" }),
    route("10.51.0.0/24", { source: "10.77.0.1" }),
    route("10.52.0.0/24", { gateway: "10.0.0.1", device: "private" }),
    ...DESIRED,
  ];
  const result = apply(desired);
  assert.deepEqual([result.changed, result.refused], [6, 3]);
  assert.equal(result.warnings.length, 2, "one for each cause");
  assert.match(result.warnings[0]!.text, /10\.50\.0\.0\/24.*EINVAL.*and 1 more/);
  assert.deepEqual(node.routes("proto 107"), AS_PRINTED);

  node.sends = 0;
  const { warnings } = result;
  assert.deepEqual(apply(desired), { changed: 0, refused: 3, warnings }, "they hold");
  assert.equal(node.sends, 0);
  routes.invalidate();
  assert.deepEqual(apply(desired), { changed: 0, refused: 3, warnings });
  node.ip("addr add 10.77.0.1/32 dev lo");
  routes.invalidate();
  const less = apply(desired);
  assert.deepEqual([less.changed, less.refused, less.warnings.length], [2, 1, 1]);
});

Deno.test("RouteApplier takes over what the original agent left", () => {
  using node = new Node();
  node.ip("route add 10.42.1.0/24 via 10.4.0.2 dev kilo0 proto static onlink");
  node.ip("route add 10.66.0.0/24 via 10.4.0.2 dev kilo0 proto static onlink");
  node.ip("route add 10.1.0.6 via 10.0.0.6 dev eth0 proto static onlink table 1107");
  node.ip("route add 10.9.0.0/16 via 10.0.0.7 dev eth0 proto static onlink");
  node.ip("route add 10.67.0.0/24 via 10.0.0.7 dev eth0 proto static onlink");
  node.ip("-6 route add fd42::/64 via fd00::7 dev eth0 proto static onlink");
  const socket = node.listen(ROUTE_GROUPS[0]!);
  const { routes, apply } = appliers(node);
  apply(DESIRED);
  assert.deepEqual(node.routes("proto 107"), AS_PRINTED);
  assert.deepEqual(node.routes("proto static"), ["10.67.0.0/24 via 10.0.0.7 dev eth0 onlink"]);
  const removed = eventsOf([socket]).filter(({ type }) => type === RTM_DELROUTE);
  assert.equal(removed.length, 2, "what is desired is adopted in place");

  node.ip("route add 10.68.0.0/24 dev kilo0 proto static");
  routes.invalidate();
  apply(DESIRED);
  assert.equal(node.routes("proto static").length, 2, "later ones are a person's");
  new RouteApplier(node.connection).remove(node.devices);
  assert.deepEqual(node.routes("proto static"), ["10.67.0.0/24 via 10.0.0.7 dev eth0 onlink"]);
});

Deno.test("RouteApplier is fast with 5,000 routes", () => {
  using node = new Node();
  const { routes, apply } = appliers(node);
  const desired = (gateway: string) =>
    Array.from(
      { length: 5000 },
      (_, n) => route(`10.${100 + (n >> 8)}.${n & 255}.0/24`, { gateway }),
    );
  const first = desired("10.4.0.2"), second = desired("10.4.0.3");
  const time = (what: string, work: () => { changed: number }, changed: number) => {
    const start = performance.now();
    assert.equal(work().changed, changed);
    console.log(`  5,000 routes: ${what} ${(performance.now() - start).toFixed(1)} ms`);
  };
  time("added", () => apply(first), 5000);
  time("unchanged", () => apply(first), 0);
  routes.invalidate();
  time("looked at", () => apply(first), 0);
  time("replaced", () => apply(second), 5000);
  time("removed", () => routes.remove(node.devices), 5000);
  assert.deepEqual(node.routes("proto 107"), []);
});

const RULES: Rule[] = [
  { src: parsePrefix("10.42.0.0/24")!, dst: parsePrefix("10.1.0.5/32")!, table: 1107 },
  { dst: parsePrefix("10.1.0.5/32")!, iif: "kilo", table: 1107 },
  { dst: parsePrefix("fd01::5/128")!, iif: "kilo", table: 1107 },
];

const RULES_AS_PRINTED = [
  "32000: from 10.42.0.0/24 to 10.1.0.5 lookup 1107 proto 107",
  "32000: from all to 10.1.0.5 iif kilo0 lookup 1107 proto 107",
  "32000: from all to fd01::5 iif kilo0 lookup 1107 proto 107",
];

Deno.test("RuleApplier sets what ip(8) then shows, removes what is stale, and takes over", () => {
  using node = new Node();
  node.ip("rule add from 10.42.0.0/24 to 10.1.0.5 lookup 1107");
  node.ip("rule add to 10.1.0.6 iif kilo0 lookup 1107");
  node.ip("rule add to 10.1.0.7 lookup 1107 pref 32000 protocol 107");
  node.ip("rule add to 10.1.0.8 lookup 1107 pref 700 protocol boot");
  const rules = new RuleApplier(node.connection);
  const apply = (desired: readonly Rule[]) =>
    rules.apply(resolveRules(desired, { interfaceName: "kilo0" }).entries);
  assert.equal(apply(RULES).changed, 6);
  const foreign = "700: from all to 10.1.0.8 lookup 1107 proto boot";
  assert.deepEqual(node.rules(), [foreign, ...RULES_AS_PRINTED]);

  node.sends = 0;
  assert.equal(apply(RULES).changed, 0);
  assert.equal(node.sends, 0);
  rules.invalidate();
  assert.equal(apply(RULES).changed, 0);
  assert.equal(apply(RULES.slice(1)).changed, 1);
  assert.deepEqual(node.rules(), [foreign, ...RULES_AS_PRINTED.slice(1)]);
  rules.remove();
  assert.deepEqual(node.rules(), [foreign]);
});

function eventsOf(sockets: readonly ReturnType<Node["listen"]>[]) {
  return sockets.flatMap((socket) =>
    readEvents(socket, { kind: "route", own: new Set() })?.messages ?? []
  );
}
