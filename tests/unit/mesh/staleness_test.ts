import assert from "node:assert/strict";
import { isFresh, type Moment, Staleness } from "../../../src/mesh/staleness.ts";

/** Unix seconds of second 0 in these tests. */
const START = 1_795_425_492;
const LIVE = { live: true };
const DEAF = { live: false };

/** A moment so many seconds into the test; `skew`: how far the wall clock is off by then. */
function at(seconds: number, skew = 0): Moment {
  return { monotonic: 5_000 + seconds * 1000, wall: (START + seconds + skew) * 1000 };
}

/** A tracker that saw node `n` check in just before second 0. */
function watching(): Staleness {
  const staleness = new Staleness();
  staleness.observe("n", START, at(0));
  return staleness;
}

Deno.test("isFresh() ends after 60 s, and the future is fresh", () => {
  assert.ok(isFresh(START, START * 1000 + 59_999));
  assert.ok(!isFresh(START, START * 1000 + 60_000));
  assert.ok(isFresh(START + 1000, START * 1000));
  assert.ok(isFresh(2 ** 63, START * 1000));
  assert.ok(!isFresh(0, START * 1000));
});

Deno.test("a node expires 60 s after its last-seen was seen to change", () => {
  const staleness = watching();
  assert.ok(staleness.isFresh("n"));
  assert.deepEqual(staleness.expire(at(59.999), LIVE), []);
  staleness.observe("n", START + 30, at(31));
  assert.deepEqual(staleness.expire(at(90.999), LIVE), []);
  assert.deepEqual(staleness.expire(at(91), LIVE), ["n"]);
  assert.ok(!staleness.isFresh("n"));
  assert.deepEqual(staleness.expire(at(92), LIVE), [], "told only once");
});

Deno.test("an unchanged last-seen is no sign of life", () => {
  const staleness = watching();
  staleness.observe("n", START, at(50));
  assert.deepEqual(staleness.expire(at(60), LIVE), ["n"]);
});

Deno.test("a node is judged by its own word only at first sight", () => {
  const staleness = new Staleness();
  staleness.observe("dead", START - 60, at(0));
  staleness.observe("dying", START - 50, at(0));
  staleness.observe("never", 0, at(0));
  assert.deepEqual(["dead", "dying", "never", "unheard"].map((name) => staleness.isFresh(name)), [
    ...[false, true, false, false],
  ]);
  assert.equal(staleness.nextExpiry(at(0)), 10_000);
  assert.deepEqual(staleness.expire(at(10), LIVE), ["dying"]);
  staleness.observe("dead", START - 1000, at(11));
  assert.ok(staleness.isFresh("dead"), "it lives, whatever its clock says");
  assert.deepEqual(staleness.expire(at(71), LIVE), ["dead"]);
  staleness.observe("dead", 0, at(72));
  assert.ok(!staleness.isFresh("dead"), "its annotation is gone");
});

Deno.test("a clock that jumps makes nobody stale and wakes no dead", () => {
  const staleness = watching();
  assert.deepEqual(staleness.expire(at(1, 3600), LIVE), []);
  assert.deepEqual(staleness.expire(at(2, -3600), LIVE), []);
  assert.deepEqual(staleness.expire(at(60, -3600), LIVE), ["n"]);
});

Deno.test("a last-seen ahead of our clock stays fresh until our clock has passed it by 60 s", () => {
  const staleness = new Staleness();
  staleness.observe("n", START + 100, at(0));
  assert.equal(staleness.nextExpiry(at(0)), 160_000);
  assert.deepEqual(staleness.expire(at(159), LIVE), []);
  assert.deepEqual(staleness.expire(at(160), LIVE), ["n"]);
  staleness.observe("n", START + 1000, at(200));
  staleness.observe("m", START + 1000, at(200));
  assert.deepEqual(staleness.expire(at(259, 2000), LIVE), [], "a minute since we saw it, at least");
  assert.deepEqual(staleness.expire(at(260, 2000), LIVE), ["n", "m"], "our clock was set right");
});

Deno.test("while our own view is not live nobody expires, and afterwards all get a minute", () => {
  const staleness = watching();
  assert.deepEqual(staleness.expire(at(50), DEAF), []);
  assert.equal(staleness.nextExpiry(at(50)), undefined);
  assert.deepEqual(staleness.expire(at(500), DEAF), []);
  assert.ok(staleness.isFresh("n"));
  assert.deepEqual(staleness.expire(at(600), LIVE), []);
  assert.equal(staleness.nextExpiry(at(601)), 59_000);
  assert.deepEqual(staleness.expire(at(659), LIVE), []);
  assert.deepEqual(staleness.expire(at(660), LIVE), ["n"]);
});

Deno.test("while our own view is not live a node that checks in is welcome", () => {
  const staleness = watching();
  assert.deepEqual(staleness.expire(at(60), LIVE), ["n"]);
  staleness.expire(at(61), DEAF);
  staleness.observe("n", START + 61, at(62));
  assert.ok(staleness.isFresh("n"));
});

Deno.test("a relist gives a minute to the fresh and nothing to the dead", () => {
  const staleness = watching();
  staleness.observe("dead", START - 100, at(0));
  staleness.relisted(at(50));
  assert.deepEqual(staleness.expire(at(60), LIVE), []);
  assert.ok(!staleness.isFresh("dead"));
  assert.deepEqual(staleness.expire(at(110), LIVE), ["n"]);
});

Deno.test("a forgotten node is at first sight again", () => {
  const staleness = watching();
  staleness.forget("n");
  assert.ok(!staleness.isFresh("n"));
  assert.equal(staleness.nextExpiry(at(0)), undefined);
  staleness.observe("n", START, at(100));
  assert.ok(!staleness.isFresh("n"));
});

Deno.test("nextExpiry() is the time until the first node expires, and never negative", () => {
  const staleness = watching();
  staleness.observe("m", START + 20, at(20));
  assert.equal(staleness.nextExpiry(at(20)), 40_000);
  assert.equal(staleness.nextExpiry(at(70)), 0);
  staleness.expire(at(70), LIVE);
  assert.equal(staleness.nextExpiry(at(70)), 10_000);
});
