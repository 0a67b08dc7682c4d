import assert from "node:assert/strict";
import { Unheard } from "../../../src/backend/kubernetes/unheard.ts";
import { FakeClock } from "../../fake_clock.ts";

/** One whose calls are counted. */
function listening() {
  const clock = new FakeClock();
  const told = { reopened: 0, changed: 0 };
  const unheard = new Unheard({
    reopen: () => told.reopened++,
    changed: () => told.changed++,
    random: () => 0,
    clock,
  });
  return { clock, told, unheard };
}

Deno.test("what is heard in time asks for nothing", async () => {
  const { clock, told, unheard } = listening();
  unheard.wrote("10");
  await clock.advance(4900);
  unheard.heard("9");
  unheard.heard("10");
  await clock.advance(60_000);
  assert.deepEqual([told, clock.pending], [{ reopened: 0, changed: 0 }, 0]);
});

Deno.test("a watch that lags is opened again once in five minutes, then given more time", async () => {
  const { clock, told, unheard } = listening();
  for (let version = 10; version < 20; version++) {
    unheard.wrote(`${version}`);
    await clock.advance(6000);
    unheard.heard(`${version}`);
    await clock.advance(24_000);
  }
  assert.deepEqual(told, { reopened: 1, changed: 0 });
  await clock.advance(5 * 60_000);
  unheard.wrote("20");
  await clock.advance(6000);
  assert.equal(told.reopened, 2);
});

Deno.test("whatever the lag, it is opened again a few times at most", async () => {
  const { clock, told, unheard } = listening();
  for (let lag = 1000; lag <= 300_000; lag += 1000) {
    unheard.wrote(`${lag}`);
    await clock.advance(lag);
    unheard.heard(`${lag}`);
  }
  const minutes = clock.now() / 60_000;
  assert.ok(told.reopened <= 5 + minutes, `${told.reopened} in ${minutes} min`);
});

Deno.test("after 15 s without an answer to our own write the silence of others proves nothing", async () => {
  const { clock, told, unheard } = listening();
  unheard.wrote("10");
  await clock.advance(14_999);
  assert.ok(!unheard.isDeaf);
  await clock.advance(1);
  assert.ok(unheard.isDeaf);
  unheard.wrote("11"); // what is waited for stays
  unheard.heard("10");
  assert.ok(!unheard.isDeaf);
  assert.deepEqual(told, { reopened: 2, changed: 2 });
  unheard.wrote("12");
  unheard.clear();
  assert.equal(clock.pending, 0);
});
