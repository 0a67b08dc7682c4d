import assert from "node:assert/strict";
import { RepairBackoff } from "../../../src/agent/repair_backoff.ts";

type Kind = "link" | "route" | "rule";

function newBackoff(): RepairBackoff<Kind> {
  return new RepairBackoff<Kind>({ route: ["link"] });
}

/** Is a change of this kind left alone? */
function isBackedOff(backoff: RepairBackoff<Kind>, kind: Kind): boolean {
  return backoff.add([kind]).length === 0;
}

/** Repairs so many times, one each millisecond. */
function repair(
  backoff: RepairBackoff<Kind>,
  { times = 20, from, kinds = ["route"] }: { times?: number; from: number; kinds?: Kind[] },
) {
  for (let n = 0; n < times; n++) backoff.repaired(new Set(kinds), from + n);
}

Deno.test("RepairBackoff.repaired() backs off a kind repaired too often, and no other", () => {
  const backoff = newBackoff();
  repair(backoff, { times: 19, from: 0 });
  assert.equal(isBackedOff(backoff, "route"), false);
  assert.equal(backoff.nextResume(19), undefined);
  repair(backoff, { times: 1, from: 19 });
  assert.deepEqual([isBackedOff(backoff, "route"), isBackedOff(backoff, "rule")], [
    true,
    false,
  ]);
  assert.equal(backoff.nextResume(19), 500);
});

Deno.test("RepairBackoff.repaired() counts repairs within the window only", () => {
  const backoff = newBackoff();
  for (let n = 0; n < 100; n++) backoff.repaired(new Set(["route"]), n * 1000);
  assert.equal(isBackedOff(backoff, "route"), false);
});

Deno.test("RepairBackoff.repaired() doubles each pause, and then backedOff() names the kind", () => {
  const backoff = newBackoff();
  repair(backoff, { from: 0 });
  assert.deepEqual(backoff.resume(518), []);
  assert.deepEqual(backoff.resume(519), ["route"]);
  assert.equal(isBackedOff(backoff, "route"), false);
  assert.deepEqual(backoff.backedOff(519), [], "somebody flushed, and is content");
  repair(backoff, { from: 600 });
  assert.equal(backoff.nextResume(619), 1000);
  assert.deepEqual(backoff.backedOff(619), ["route"]);
  assert.deepEqual(backoff.backedOff(700_000), [], "it is long over");
  repair(backoff, { from: 700_000 });
  assert.equal(backoff.nextResume(700_019), 500);
});

Deno.test("RepairBackoff.resumeAll() ends all pauses", () => {
  const backoff = newBackoff();
  repair(backoff, { from: 0, kinds: ["route", "rule"] });
  backoff.resumeAll();
  assert.deepEqual([isBackedOff(backoff, "route"), isBackedOff(backoff, "rule")], [
    false,
    false,
  ]);
  assert.equal(backoff.nextResume(20), undefined);
});

Deno.test("RepairBackoff.repaired() counts a cause, not what changes with it, and backs both off", () => {
  const backoff = newBackoff();
  repair(backoff, { from: 0, kinds: ["link", "route"] });
  assert.deepEqual([isBackedOff(backoff, "link"), isBackedOff(backoff, "route")], [true, true]);
  assert.deepEqual(backoff.resume(1000), ["link"]);
  repair(backoff, { from: 1000, kinds: ["link", "route"] });
  assert.deepEqual(backoff.backedOff(1020), ["link"]);
});

Deno.test("RepairBackoff.take() returns what others changed, once, and what is resumed", () => {
  const backoff = newBackoff();
  assert.deepEqual(backoff.add(["route", "rule"]), ["route", "rule"]);
  backoff.add(["route"]);
  assert.deepEqual(backoff.take(), new Set(["route", "rule"]));
  assert.deepEqual(backoff.take(), new Set());
  repair(backoff, { from: 0 });
  assert.deepEqual(backoff.add(["route", "rule"]), ["rule"]);
  assert.deepEqual(backoff.take(), new Set(["rule"]));
  backoff.resume(519);
  assert.deepEqual(backoff.take(), new Set(["route"]));
});
