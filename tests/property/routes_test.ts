import assert from "node:assert/strict";
import fc from "fast-check";
import { METRIC, routeIdentity } from "../../src/dataplane/resolve.ts";
import { diffRoutes, equalRoute, RouteApplier } from "../../src/dataplane/routes.ts";
import { type Family, parseIP } from "../../src/net/ip.ts";
import { parsePrefix } from "../../src/net/prefix.ts";
import { ROUTE_PROTOCOL } from "../../src/net/route.ts";
import { Connection } from "../../src/netlink/connection.ts";
import { type RouteEntry, routeEntry } from "../../src/netlink/route.ts";
import { SimulatedFib } from "./simulated_fib.ts";

// Few destinations and values, so that routes meet.
const DEVICES = { kilo: 7, private: 2, tunnel: 9 };
const ADDRESSES = {
  4: ["10.0.0.1", "10.0.0.2"].map((text) => parseIP(text)!),
  6: ["fd00::1", "fd00::2"].map((text) => parseIP(text)!),
};
const DESTINATIONS = {
  4: ["10.2.0.0/24", "10.2.0.0/16", "0.0.0.0/0"].map((text) => parsePrefix(text)!),
  6: ["fd02::/64", "fd02::/48"].map((text) => parsePrefix(text)!),
};

function route(family: Family, protocol: fc.Arbitrary<number>, metric: fc.Arbitrary<number>) {
  return fc.record({
    dst: fc.constantFrom(...DESTINATIONS[family]),
    table: fc.constantFrom(254, 1107),
    gateway: fc.option(fc.constantFrom(...ADDRESSES[family]), { nil: undefined }),
    oif: fc.constantFrom(2, 7, 9),
    source: fc.option(fc.constantFrom(...ADDRESSES[family]), { nil: undefined }),
    protocol,
    metric,
  }).map((fields) => routeEntry({ ...fields, onlink: fields.gateway !== undefined } as RouteEntry));
}

const ours = fc.oneof(
  route(4, fc.constant(ROUTE_PROTOCOL), fc.constant(METRIC[4])),
  route(6, fc.constant(ROUTE_PROTOCOL), fc.constant(METRIC[6])),
);
const desired = fc.uniqueArray(ours, { selector: routeIdentity, maxLength: 8 });
/** Of a predecessor, perhaps of another version, or planted by hand. */
const planted = fc.oneof(
  ours,
  route(4, fc.constant(ROUTE_PROTOCOL), fc.constantFrom(0, 5)),
  route(6, fc.constant(ROUTE_PROTOCOL), fc.constantFrom(0, 5)),
);
/** Others': boot, static, dhcp. In IPv6 nobody else has our metric. */
const foreign = fc.oneof(
  route(4, fc.constantFrom(3, 16), fc.constantFrom(0, 100)),
  route(6, fc.constantFrom(3, 16), fc.constantFrom(0, 100)),
);
const statics = fc.oneof(
  route(4, fc.constant(4), fc.constantFrom(0, 100)),
  route(6, fc.constant(4), fc.constantFrom(0, 100)),
);
/** The order among rivals as the kernel has it; IPv4 has no two equal ones, IPv6 none of one shape. */
const fib = (routes: fc.Arbitrary<RouteEntry>) =>
  fc.uniqueArray(routes, {
    selector: (route) =>
      routeIdentity(route) +
      (route.dst.ip.family === 6
        ? !route.gateway
        : JSON.stringify(route, (_, value) => `${value}`)),
    maxLength: 10,
  });

function isOurs({ protocol }: RouteEntry): boolean {
  return protocol === ROUTE_PROTOCOL;
}

function sorted(routes: readonly RouteEntry[]): RouteEntry[] {
  return routes.toSorted((a, b) => routeIdentity(a) < routeIdentity(b) ? -1 : 1);
}

function check(fib: SimulatedFib, applier: RouteApplier, desired: readonly RouteEntry[]) {
  const result = applier.apply(desired, DEVICES);
  assert.deepEqual(result.warnings, []);
  assert.deepEqual(sorted(fib.routes.filter(isOurs)), sorted(desired));
  return result;
}

Deno.test("RouteApplier reaches the desired state from anything and leaves others' routes", () => {
  fc.assert(fc.property(
    fib(fc.oneof(planted, foreign)),
    fc.array(desired, { minLength: 1, maxLength: 4 }),
    fc.boolean(),
    (there, desiredStates, keepsGatewayRoutes) => {
      const fib = new SimulatedFib(there, { keepsGatewayRoutes });
      using connection = new Connection(fib);
      const applier = new RouteApplier(connection);
      for (const desired of desiredStates) {
        check(fib, applier, desired);
        assert.deepEqual(
          fib.routes.filter((route) => !isOurs(route)),
          there.filter((route) => !isOurs(route)),
        );
        const { messages } = fib;
        assert.equal(applier.apply(structuredClone(desired), DEVICES).changed, 0);
        assert.equal(fib.messages, messages, "an unchanged desired state costs no message");
      }
      applier.remove(DEVICES);
      assert.deepEqual(fib.routes, there.filter((route) => !isOurs(route)));
    },
  ));
});

Deno.test("RouteApplier never leaves a desired destination without a route", () => {
  fc.assert(fc.property(
    fib(foreign),
    fc.array(desired, { minLength: 2, maxLength: 5 }),
    fc.boolean(),
    (there, desiredStates, keepsGatewayRoutes) => {
      const fib = new SimulatedFib(there, { keepsGatewayRoutes });
      using connection = new Connection(fib);
      const applier = new RouteApplier(connection);
      let before: readonly RouteEntry[] = [];
      for (const desired of desiredStates) {
        const identities = new Set(desired.map(routeIdentity));
        const stays = before.map(routeIdentity).filter((identity) => identities.has(identity));
        fib.onChange = () => {
          const covered = new Set(fib.routes.filter(isOurs).map(routeIdentity));
          for (const identity of stays) assert.ok(covered.has(identity), `gap: ${identity}`);
        };
        check(fib, applier, desired);
        before = desired;
      }
    },
  ));
});

Deno.test("RouteApplier puts ours in front of others' IPv4 routes with the same identity", () => {
  fc.assert(fc.property(fib(foreign), desired, (there, desired) => {
    const fib = new SimulatedFib(there);
    using connection = new Connection(fib);
    check(fib, new RouteApplier(connection), desired);
    for (const entry of desired) {
      const rivals = fib.routes.filter((it) => routeIdentity(it) === routeIdentity(entry));
      assert.ok(equalRoute(rivals[0]!, entry));
    }
  }));
});

Deno.test("RouteApplier takes over from the original agent at first, and only then", () => {
  fc.assert(fc.property(fib(statics), desired, statics, (there, desired, later) => {
    const fib = new SimulatedFib(there);
    using connection = new Connection(fib);
    const applier = new RouteApplier(connection);
    check(fib, applier, desired);
    for (const { table, oif, onlink } of fib.routes.filter((route) => !isOurs(route))) {
      assert.ok(table !== 1107 && oif !== DEVICES.kilo && !(onlink && oif === DEVICES.tunnel));
    }
    const place = ({ dst, table }: RouteEntry) => `${table} ${routeIdentity({ ...later, dst })}`;
    const identities = new Set(desired.map(place));
    for (const kept of there.filter(({ table, oif }) => table === 254 && oif === 2)) {
      const expected = !(kept.onlink && identities.has(place(kept)));
      assert.equal(fib.routes.some((route) => equalRoute(route, kept)), expected);
    }
    fib.routes.push(later);
    applier.invalidate();
    applier.apply(desired, DEVICES);
    assert.ok(fib.routes.includes(later));
  }));
});

Deno.test("diffRoutes() finds nothing to do where all is right", () => {
  fc.assert(fc.property(desired, (desired) => {
    assert.deepEqual(diffRoutes(desired, structuredClone(desired.toReversed())), []);
  }));
});
