import assert from "node:assert/strict";
import { Health } from "../../../src/http/health.ts";

function newHealth() {
  const clock = { now: 1000 };
  const health = new Health(["backend", "mesh"], {
    pending: "Nodes and Peers",
    clock: () => clock.now,
  });
  return { clock, health };
}

Deno.test("Health is not ready before the start is over, and says which step is waited for", () => {
  const { clock, health } = newHealth();
  clock.now += 2500;
  health.works("backend");
  clock.now += 3500;
  assert.deepEqual(health.report(), {
    ready: false,
    pending: "Nodes and Peers",
    parts: [
      { name: "backend", state: "works", seconds: 3 },
      { name: "mesh", state: "waiting", seconds: 6 },
    ],
  });
  health.pending = undefined;
  assert.deepEqual({ ...health.report(), parts: [] }, { ready: true, pending: null, parts: [] });
});

Deno.test("Health is ready while a part fails for a short time, not for long, and again when it works", () => {
  const { clock, health } = newHealth();
  health.pending = undefined;
  health.works("backend");
  clock.now += 3_600_000;
  health.fails("backend", "connection refused");
  clock.now += 59_000;
  health.fails("backend", "no route to host");
  assert.equal(health.report().ready, true);
  clock.now += 2000;
  const { ready, parts } = health.report();
  assert.equal(ready, false);
  assert.deepEqual(parts[0], {
    ...{ name: "backend", state: "fails", seconds: 61, problem: "no route to host" },
  });
  health.works("backend");
  assert.equal(health.report().ready, true);
  assert.equal(health.report().parts[0]!.problem, undefined);
});
