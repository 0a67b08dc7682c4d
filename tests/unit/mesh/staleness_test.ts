import assert from "node:assert/strict";
import { isFresh, type Moment, Staleness } from "../../../src/mesh/staleness.ts";

/** Unix seconds of second 0 in these tests. */
const START = 1_795_425_492;

/** A moment so many seconds into the test, in a live view; `skew`: how far the wall clock is off by then. */
function at(seconds: number, skew = 0): Moment {
  const monotonic = 5_000 + seconds * 1000;
  return { monotonic, wall: (START + seconds + skew) * 1000, liveUntil: Infinity };
}

/** The same in a view that is not live. */
function deaf(seconds: number): Moment {
  return { ...at(seconds), liveUntil: -Infinity };
}

/** Looks each second until then, as an agent does; answers who expired. */
function pass(staleness: Staleness, [from, to]: [number, number], moment = at): string[] {
  const expired: string[] = [];
  for (let second = from; second <= to; second++) expired.push(...staleness.expire(moment(second)));
  return expired;
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
  assert.deepEqual(pass(staleness, [0, 59]), []);
  staleness.observe("n", START + 30, at(60));
  assert.deepEqual(pass(staleness, [60, 119]), []);
  assert.deepEqual(staleness.expire(at(120)), ["n"]);
  assert.ok(!staleness.isFresh("n"));
  assert.deepEqual(staleness.expire(at(121)), [], "told only once");
});

Deno.test("an unchanged last-seen is no sign of life", () => {
  const staleness = watching();
  pass(staleness, [0, 50]);
  staleness.observe("n", START, at(50));
  assert.deepEqual(pass(staleness, [51, 60]), ["n"]);
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
  assert.deepEqual(staleness.expire(at(10)), ["dying"]);
  staleness.observe("dead", START - 1000, at(11));
  assert.ok(staleness.isFresh("dead"), "it lives, whatever its clock says");
  assert.deepEqual(pass(staleness, [12, 71]), ["dead"]);
  staleness.observe("dead", 0, at(72));
  assert.ok(!staleness.isFresh("dead"), "its annotation is gone");
});

Deno.test("a clock that jumps makes nobody stale and wakes no dead", () => {
  const staleness = watching();
  assert.deepEqual(staleness.expire(at(1, 3600)), []);
  assert.deepEqual(staleness.expire(at(2, -3600)), []);
  assert.deepEqual(pass(staleness, [3, 60], (second) => at(second, -3600)), ["n"]);
});

Deno.test("a last-seen ahead of our clock stays fresh until our clock has passed it by 60 s", () => {
  const staleness = new Staleness();
  staleness.observe("n", START + 100, at(0));
  assert.deepEqual(pass(staleness, [0, 159]), []);
  assert.deepEqual(staleness.expire(at(160)), ["n"]);
  staleness.observe("n", START + 1000, at(200));
  staleness.observe("m", START + 1000, at(200));
  const later = (second: number) => at(second, 2000);
  assert.deepEqual(
    pass(staleness, [201, 259], later),
    [],
    "a minute since we saw it, at least",
  );
  assert.deepEqual(staleness.expire(later(260)), ["n", "m"], "our clock was set right");
});

Deno.test("only time of a live view counts, and after an interruption 40 s are left", () => {
  const staleness = watching();
  pass(staleness, [0, 50]);
  assert.deepEqual(pass(staleness, [50, 500], deaf), []);
  assert.equal(staleness.nextExpiry(deaf(500)), undefined);
  assert.ok(staleness.isFresh("n"));
  assert.deepEqual(pass(staleness, [501, 540]), []);
  assert.deepEqual(staleness.expire(at(541)), ["n"]);
});

Deno.test("an interruption of up to 10 s leaves what there was, without the time that it took", () => {
  const staleness = watching();
  pass(staleness, [0, 50]);
  pass(staleness, [50, 59], deaf);
  assert.deepEqual(pass(staleness, [60, 69]), []);
  assert.deepEqual(staleness.expire(at(70)), ["n"]);
});

Deno.test("who has more than 40 s left gets nothing by an interruption, and may get it later", () => {
  const staleness = watching();
  pass(staleness, [0, 10]);
  pass(staleness, [10, 40], deaf);
  pass(staleness, [41, 86]); // 55 s have counted
  pass(staleness, [86, 120], deaf);
  assert.deepEqual(pass(staleness, [121, 160]), []);
  assert.deepEqual(staleness.expire(at(161)), ["n"]);
});

Deno.test("a node is given time once only until it checks in again", () => {
  const staleness = watching();
  const cut = (from: number) => [
    ...pass(staleness, [from, from + 24]),
    ...pass(staleness, [from + 24, from + 38], deaf),
  ];
  const seconds = Array.from({ length: 20 }, (_, repetition) => repetition * 39);
  const gone = seconds.find((from) => cut(from).length > 0)!;
  // 24 s count of each round; after the first one 40 are left.
  assert.equal(gone, 2 * 39);
  staleness.observe("n", START + 1, at(1000));
  pass(staleness, [1000, 1050]);
  pass(staleness, [1050, 1100], deaf);
  assert.deepEqual(pass(staleness, [1101, 1140]), [], "it has checked in meanwhile");
});

Deno.test("an end of the live view that comes by itself is not overlooked", () => {
  const staleness = watching();
  staleness.expire({ ...at(20), liveUntil: at(30).monotonic });
  staleness.expire({ ...at(40), liveUntil: at(30).monotonic });
  assert.deepEqual(pass(staleness, [50, 89]), [], "30 s have counted, and 40 are left");
  assert.deepEqual(staleness.expire(at(90)), ["n"]);
});

Deno.test("time in which this process stood still does not count", () => {
  const staleness = watching();
  staleness.expire(at(10));
  assert.deepEqual(staleness.expire(at(100)), [], "what was said meanwhile is still to be read");
  assert.deepEqual(pass(staleness, [101, 139]), []);
  assert.deepEqual(staleness.expire(at(140)), ["n"]);
});

Deno.test("while our own view is not live a node that checks in is welcome", () => {
  const staleness = watching();
  assert.deepEqual(pass(staleness, [0, 60]), ["n"]);
  staleness.expire(deaf(61));
  staleness.observe("n", START + 61, deaf(62));
  assert.ok(staleness.isFresh("n"));
});

Deno.test("an interruption gives nothing to the dead", () => {
  const staleness = new Staleness();
  staleness.observe("dead", START - 100, deaf(0));
  pass(staleness, [0, 100], deaf);
  staleness.expire(at(101));
  assert.ok(!staleness.isFresh("dead"));
});

Deno.test("a forgotten node is at first sight again", () => {
  const staleness = watching();
  staleness.forget("n");
  assert.ok(!staleness.isFresh("n"));
  assert.equal(staleness.nextExpiry(at(0)), undefined);
  staleness.observe("n", START, at(100));
  assert.ok(!staleness.isFresh("n"));
});

Deno.test("nextExpiry() is the time until the first node expires, never negative, nor too long to be counted", () => {
  const staleness = watching();
  assert.equal(staleness.nextExpiry(at(0)), 12_500);
  pass(staleness, [0, 20]);
  staleness.observe("m", START + 20, at(20));
  pass(staleness, [21, 50]);
  assert.equal(staleness.nextExpiry(at(50)), 10_000);
  assert.equal(staleness.nextExpiry(at(70)), 0);
  staleness.expire(at(70));
  assert.equal(staleness.nextExpiry(at(70)), 10_000);
});
