import assert from "node:assert/strict";
import { resolveRoutes } from "../../../src/dataplane/resolve.ts";
import { affectsRoutes, diffRoutes, RouteApplier } from "../../../src/dataplane/routes.ts";
import { type Family, parseIP } from "../../../src/net/ip.ts";
import { parsePrefix } from "../../../src/net/prefix.ts";
import type { Route } from "../../../src/net/route.ts";
import { Connection } from "../../../src/netlink/connection.ts";
import {
  NLM_F_REPLACE,
  readMessages,
  type Request,
  writeMessage,
} from "../../../src/netlink/message.ts";
import { addRoute, deleteRoute, type RouteEntry, routeEntry } from "../../../src/netlink/route.ts";
import { Writer } from "../../../src/netlink/writer.ts";
import { SimulatedFib } from "../../property/simulated_fib.ts";

Deno.test("diffRoutes() removes the most particular of several rivals first", () => {
  const common = { dst: parsePrefix("10.42.0.0/24")!, oif: 7, protocol: 107 };
  const plain = routeEntry(common);
  const sourced = routeEntry({ ...common, source: parseIP("10.0.0.1") });
  const desired = routeEntry({ ...common, oif: 2 });
  for (const observed of [[plain, sourced], [sourced, plain]]) {
    assert.deepEqual(diffRoutes([desired], observed), [
      { verb: "remove", entry: sourced },
      { verb: "remove", entry: plain },
      { verb: "add", entry: desired },
    ]);
  }
});

Deno.test("affectsRoutes() passes over what others do beside us", () => {
  const affects = (request: Request) => {
    const out = new Writer();
    writeMessage(out, request, { sequence: 0, flags: 0 });
    return affectsRoutes(readMessages(out.bytes())[0]!);
  };
  const route = (dst: string, protocol: number) =>
    routeEntry({ dst: parsePrefix(dst)!, oif: 7, protocol });
  assert.ok(affects(deleteRoute(route("10.42.0.0/24", 107))));
  assert.ok(affects(addRoute(route("0.0.0.0/0", 16))));
  assert.ok(affects(addRoute(route("10.42.0.0/24", 16))), "a network on link");
  const gateway = parsePrefix("10.0.0.1/32")!.ip;
  assert.ok(!affects(addRoute({ ...route("10.42.0.0/24", 16), gateway })));
  assert.ok(!affects(deleteRoute(route("10.42.0.0/24", 2))));
  // It may have taken the place of ours.
  assert.ok(affects({ ...addRoute(route("10.42.0.0/24", 3)), flags: NLM_F_REPLACE }));
});

Deno.test("RouteApplier sees each change also in an answer it knows but for that", () => {
  const entry = (n: number, oif = 7) =>
    routeEntry({ dst: parsePrefix(`10.42.${n}.0/24`)!, oif, protocol: 107, metric: 107 });
  const [one, two] = [entry(1), entry(2)];
  const desired = [one, two];
  const fib = new SimulatedFib(desired);
  using connection = new Connection(fib);
  const applier = new RouteApplier(connection);
  const observe = (desired: readonly RouteEntry[]) => {
    applier.invalidate();
    return applier.apply(desired, { kilo: 7 }).changed;
  };
  const cases = [[], [one], [two, entry(1, 8)], [one, two, entry(3)]];
  for (const routes of cases) {
    assert.equal(observe(desired), 0); // from here on the answer is known
    fib.routes = [...routes];
    assert.ok(observe(desired) > 0);
    assert.deepEqual(fib.routes.map(({ oif }) => oif), [7, 7]);
  }
  assert.equal(observe(desired), 0);
  assert.equal(observe([one, entry(2, 8)]), 1, "another desired state against a known answer");
  assert.equal(observe([one, entry(2, 8)]), 0);
});

Deno.test("RouteApplier compares 15,000 unchanged routes quickly", () => {
  const desired = (): Route[] =>
    Array.from({ length: 15_000 }, (_, n) => {
      const family: Family = n % 3 === 0 ? 6 : 4;
      const value = family === 4 ? 0x0a000000n + BigInt(n << 8) : (0xfdn << 120n) + BigInt(n << 8);
      const gateway = { family, value: value + 7n };
      return { dst: { ip: { family, value }, bits: 24 }, gateway, device: "kilo", onlink: true };
    });
  const fib = new SimulatedFib();
  using connection = new Connection(fib);
  const applier = new RouteApplier(connection);
  const devices = { kilo: 7 };
  // The simulated tables are slow at adding, which is not what is measured.
  fib.routes = [...resolveRoutes(desired(), devices).entries];
  const times: number[] = [];
  for (let pass = 0; pass < 8; pass++) {
    const routes = desired();
    const start = performance.now();
    assert.equal(applier.apply(resolveRoutes(routes, devices).entries, devices).changed, 0);
    times.push(performance.now() - start);
  }
  times.shift(); // the look
  const best = Math.min(...times);
  console.log(`  15,000 unchanged routes: ${best.toFixed(1)} ms`);
  assert.ok(best < 150, "ten times what was measured");
});
