import assert from "node:assert/strict";
import { WatchLiveness } from "../../../src/backend/kubernetes/watch_liveness.ts";
import { FakeClock } from "../../fake_clock.ts";

/** One whose calls are counted. */
function listening() {
  const clock = new FakeClock();
  const counts = { reopened: 0, changed: 0 };
  const liveness = new WatchLiveness({
    reopen: () => counts.reopened++,
    changed: () => counts.changed++,
    random: () => 0,
    clock,
  });
  return { clock, counts, liveness };
}

Deno.test("WatchLiveness does nothing when the event of a write comes in time", async () => {
  const { clock, counts, liveness } = listening();
  liveness.wrote("10");
  await clock.advance(4900);
  liveness.heard("9");
  liveness.heard("10");
  await clock.advance(60_000);
  assert.deepEqual([counts, clock.pending], [{ reopened: 0, changed: 0 }, 0]);
});

Deno.test("WatchLiveness.wrote() reopens a slow watch once in five minutes, then waits longer", async () => {
  const { clock, counts, liveness } = listening();
  for (let version = 10; version < 20; version++) {
    liveness.wrote(`${version}`);
    await clock.advance(6000);
    liveness.heard(`${version}`);
    await clock.advance(24_000);
  }
  assert.deepEqual(counts, { reopened: 1, changed: 0 });
  await clock.advance(5 * 60_000);
  liveness.wrote("20");
  await clock.advance(6000);
  assert.equal(counts.reopened, 2);
});

Deno.test("WatchLiveness.wrote() reopens a few times at most, whatever the lag", async () => {
  const { clock, counts, liveness } = listening();
  for (let lag = 1000; lag <= 300_000; lag += 1000) {
    liveness.wrote(`${lag}`);
    await clock.advance(lag);
    liveness.heard(`${lag}`);
  }
  const minutes = clock.now() / 60_000;
  assert.ok(counts.reopened <= 5 + minutes, `${counts.reopened} in ${minutes} min`);
});

Deno.test("WatchLiveness.isDeaf is true 15 s after a write without its event", async () => {
  const { clock, counts, liveness } = listening();
  liveness.wrote("10");
  await clock.advance(14_999);
  assert.ok(!liveness.isDeaf);
  await clock.advance(1);
  assert.ok(liveness.isDeaf);
  liveness.wrote("11"); // what is waited for stays
  liveness.heard("10");
  assert.ok(!liveness.isDeaf);
  assert.deepEqual(counts, { reopened: 2, changed: 2 });
  liveness.wrote("12");
  liveness.clear();
  assert.equal(clock.pending, 0);
});
