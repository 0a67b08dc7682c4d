import assert from "node:assert/strict";
import { type PassSteps, ReconcileLoop } from "../../../src/agent/reconcile_loop.ts";
import { isRepair, type Reason, REASONS } from "../../../src/agent/reasons.ts";
import { FakeClock } from "../../fake_clock.ts";

/** A loop whose steps are written down; passes with their reasons. */
function start(fake: Partial<PassSteps> = {}) {
  const clock = new FakeClock();
  const log: string[] = [];
  const steps: PassSteps = {
    defer: () => undefined,
    begin: () => {},
    expire: () => false,
    isInSync: () => Promise.resolve(true),
    skip: () => log.push("skip"),
    pass: (reasons) => Promise.resolve(void log.push(`pass: ${[...reasons].join()}`)),
    failed: (error, { isRepeated }) => log.push(`${error}${isRepeated ? " again" : ""}`),
    recovered: () => log.push("recovered"),
    ended: () => {},
    ...fake,
  };
  const loop = new ReconcileLoop(steps, { longestRetry: 1000, clock });
  const end = loop.run();
  return { clock, log, loop, end };
}

Deno.test("ReconcileLoop.run() makes one pass for all reasons, and another for what comes during it", async () => {
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  const passes: string[] = [];
  const { clock, loop, end } = start({
    async pass(reasons) {
      passes.push([...reasons].join());
      if (passes.length === 1) await held;
    },
  });
  for (let n = 0; n < 1000; n++) loop.add("mesh");
  loop.add("kernel");
  await clock.advance(0);
  loop.add("files");
  loop.add("kernel");
  await clock.advance(0);
  assert.deepEqual(passes, ["mesh,kernel"]);
  release();
  await clock.advance(0);
  assert.deepEqual(passes, ["mesh,kernel", "files,kernel"]);
  loop.stop();
  await end;
});

for (const [reason, { pass }] of Object.entries(REASONS) as [Reason, typeof REASONS[Reason]][]) {
  Deno.test(`ReconcileLoop.run() passes for "${reason}" ${pass}`, async () => {
    const quiet = start();
    quiet.loop.add(reason);
    await quiet.clock.advance(0);
    assert.deepEqual(quiet.log, [pass === "always" ? `pass: ${reason}` : "skip"]);
    const lively = start({ expire: () => true, isInSync: () => Promise.resolve(false) });
    lively.loop.add(reason);
    await lively.clock.advance(0);
    assert.deepEqual(lively.log, [`pass: ${reason}`]);
    quiet.loop.stop();
    lively.loop.stop();
    await Promise.all([quiet.end, lively.end]);
  });
}

Deno.test("ReconcileLoop.run() asks the device only if a poll alone decides", async () => {
  let asked = 0;
  const { clock, log, loop, end } = start({
    isInSync: () => Promise.resolve(++asked === 1),
  });
  loop.add("poll");
  await clock.advance(0);
  loop.add("poll");
  await clock.advance(0);
  loop.add("poll");
  loop.add("mesh");
  await clock.advance(0);
  assert.deepEqual([asked, log], [2, ["skip", "pass: poll", "pass: poll,mesh"]]);
  loop.stop();
  await end;
});

Deno.test("ReconcileLoop.run() retries a failed pass after 200 ms, twice as long each time, up to the longest", async () => {
  const times: number[] = [];
  let failures = 5;
  const { clock, log, loop, end } = start({
    pass() {
      times.push(clock.now());
      return failures-- > 0 ? Promise.reject(new Error("no")) : Promise.resolve();
    },
  });
  loop.add("mesh");
  await clock.advance(10_000);
  assert.deepEqual(times, [0, 200, 600, 1400, 2400, 3400]);
  const again = Array.from({ length: 4 }, () => "Error: no again");
  assert.deepEqual(log, ["Error: no", ...again, "recovered"]);
  failures = 1;
  loop.add("mesh");
  await clock.advance(200);
  assert.deepEqual(times.slice(6), [10_000, 10_200], "the pauses start again");
  loop.stop();
  await end;
});

Deno.test("ReconcileLoop.run() passes for any reason after a failure, and drops the follow-up", async () => {
  let failures = 1;
  const passes: string[] = [];
  const { clock, loop, end } = start({
    pass(reasons) {
      passes.push([...reasons].join());
      loop.addAfter("follow-up", failures > 0 ? 50 : undefined);
      return failures-- > 0 ? Promise.reject(new Error("no")) : Promise.resolve();
    },
  });
  loop.add("mesh");
  await clock.advance(60);
  assert.deepEqual(passes, ["mesh"]);
  loop.add("trim");
  await clock.advance(0);
  assert.deepEqual(passes, ["mesh", "trim"]);
  loop.stop();
  await end;
});

Deno.test("ReconcileLoop.run() retries what fails in a step before the pass, too", async () => {
  for (const step of ["begin", "expire", "isInSync"] as const) {
    let failures = 1;
    const fail = () => {
      if (failures-- > 0) throw new Error(step);
      return false as never;
    };
    const { clock, log, loop, end } = start({ [step]: fail });
    loop.add("poll");
    await clock.advance(200);
    assert.deepEqual(log, [`Error: ${step}`, "pass: retry", "recovered"], step);
    loop.stop();
    await end;
  }
});

Deno.test("ReconcileLoop.run() adds deferred reasons again after the wait", async () => {
  let wait: number | undefined = 300;
  const { clock, log, loop, end } = start({ defer: () => wait });
  loop.add("mesh");
  loop.add("resync");
  await clock.advance(299);
  assert.deepEqual(log, []);
  wait = undefined;
  await clock.advance(1);
  assert.deepEqual(log, ["pass: mesh", "pass: resync"]);
  loop.stop();
  await end;
});

Deno.test("ReconcileLoop.stop() ends the loop after the current pass, and all timers", async () => {
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  const { clock, log, loop, end } = start({ pass: () => held, ended: () => log.push("ended") });
  loop.add("mesh");
  loop.addAfter("resync", 1000);
  await clock.advance(0);
  loop.add("kernel");
  loop.stop();
  release();
  await end;
  assert.deepEqual([log, clock.pending], [["ended"], 0]);
});

Deno.test("isRepair() is true if nothing but repairs are asked for", () => {
  assert.equal(isRepair(new Set<Reason>(["kernel", "files", "resume"])), true);
  assert.equal(isRepair(new Set<Reason>(["kernel", "mesh"])), false);
});
