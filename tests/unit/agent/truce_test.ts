import assert from "node:assert/strict";
import { Truce } from "../../../src/agent/truce.ts";

type Kind = "link" | "route" | "rule";

function newTruce(): Truce<Kind> {
  return new Truce<Kind>({ route: ["link"] });
}

/** Repairs so many times, one each millisecond. */
function repair(
  truce: Truce<Kind>,
  { times = 20, from, kinds = ["route"] }: { times?: number; from: number; kinds?: Kind[] },
) {
  for (let n = 0; n < times; n++) truce.repaired(new Set(kinds), from + n);
}

Deno.test("Truce suspends what is repaired again and again, and nothing else", () => {
  const truce = newTruce();
  repair(truce, { times: 19, from: 0 });
  assert.equal(truce.isSuspended("route"), false);
  assert.equal(truce.nextResume(19), undefined);
  repair(truce, { times: 1, from: 19 });
  assert.deepEqual([truce.isSuspended("route"), truce.isSuspended("rule")], [true, false]);
  assert.equal(truce.nextResume(19), 500);
});

Deno.test("Truce forgets repairs that lie apart", () => {
  const truce = newTruce();
  for (let n = 0; n < 100; n++) truce.repaired(new Set(["route"]), n * 1000);
  assert.equal(truce.isSuspended("route"), false);
});

Deno.test("Truce pauses twice as long each time, and calls that a war", () => {
  const truce = newTruce();
  repair(truce, { from: 0 });
  assert.deepEqual(truce.resume(518), []);
  assert.deepEqual(truce.resume(519), ["route"]);
  assert.equal(truce.isSuspended("route"), false);
  assert.deepEqual(truce.contested(519), [], "somebody flushed, and is content");
  repair(truce, { from: 600 });
  assert.equal(truce.nextResume(619), 1000);
  assert.deepEqual(truce.contested(619), ["route"]);
  assert.deepEqual(truce.contested(700_000), [], "it is long over");
  repair(truce, { from: 700_000 });
  assert.equal(truce.nextResume(700_019), 500);
});

Deno.test("Truce ends all pauses when it is told to", () => {
  const truce = newTruce();
  repair(truce, { from: 0, kinds: ["route", "rule"] });
  truce.resumeAll();
  assert.deepEqual([truce.isSuspended("route"), truce.isSuspended("rule")], [false, false]);
  assert.equal(truce.nextResume(20), undefined);
});

Deno.test("Truce blames a cause, not what changes with it, and leaves both alone", () => {
  const truce = newTruce();
  repair(truce, { from: 0, kinds: ["link", "route"] });
  assert.deepEqual([truce.isSuspended("link"), truce.isSuspended("route")], [true, true]);
  assert.deepEqual(truce.resume(1000), ["link"]);
  repair(truce, { from: 1000, kinds: ["link", "route"] });
  assert.deepEqual(truce.contested(1020), ["link"]);
});
