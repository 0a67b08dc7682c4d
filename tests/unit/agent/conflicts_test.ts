import assert from "node:assert/strict";
import { Conflicts } from "../../../src/agent/conflicts.ts";

type Kind = "link" | "route" | "rule";

function newConflicts(): Conflicts<Kind> {
  return new Conflicts<Kind>({ route: ["link"] });
}

/** What others change of this kind is not raised. */
function isSuspended(conflicts: Conflicts<Kind>, kind: Kind): boolean {
  return conflicts.raise([kind]).length === 0;
}

/** Repairs so many times, one each millisecond. */
function repair(
  conflicts: Conflicts<Kind>,
  { times = 20, from, kinds = ["route"] }: { times?: number; from: number; kinds?: Kind[] },
) {
  for (let n = 0; n < times; n++) conflicts.repaired(new Set(kinds), from + n);
}

Deno.test("Conflicts suspends what is repaired again and again, and nothing else", () => {
  const conflicts = newConflicts();
  repair(conflicts, { times: 19, from: 0 });
  assert.equal(isSuspended(conflicts, "route"), false);
  assert.equal(conflicts.nextResume(19), undefined);
  repair(conflicts, { times: 1, from: 19 });
  assert.deepEqual([isSuspended(conflicts, "route"), isSuspended(conflicts, "rule")], [
    true,
    false,
  ]);
  assert.equal(conflicts.nextResume(19), 500);
});

Deno.test("Conflicts forgets repairs that lie apart", () => {
  const conflicts = newConflicts();
  for (let n = 0; n < 100; n++) conflicts.repaired(new Set(["route"]), n * 1000);
  assert.equal(isSuspended(conflicts, "route"), false);
});

Deno.test("Conflicts pauses twice as long each time, and calls that a war", () => {
  const conflicts = newConflicts();
  repair(conflicts, { from: 0 });
  assert.deepEqual(conflicts.resume(518), []);
  assert.deepEqual(conflicts.resume(519), ["route"]);
  assert.equal(isSuspended(conflicts, "route"), false);
  assert.deepEqual(conflicts.contested(519), [], "somebody flushed, and is content");
  repair(conflicts, { from: 600 });
  assert.equal(conflicts.nextResume(619), 1000);
  assert.deepEqual(conflicts.contested(619), ["route"]);
  assert.deepEqual(conflicts.contested(700_000), [], "it is long over");
  repair(conflicts, { from: 700_000 });
  assert.equal(conflicts.nextResume(700_019), 500);
});

Deno.test("Conflicts ends all pauses when it is told to", () => {
  const conflicts = newConflicts();
  repair(conflicts, { from: 0, kinds: ["route", "rule"] });
  conflicts.resumeAll();
  assert.deepEqual([isSuspended(conflicts, "route"), isSuspended(conflicts, "rule")], [
    false,
    false,
  ]);
  assert.equal(conflicts.nextResume(20), undefined);
});

Deno.test("Conflicts blames a cause, not what changes with it, and leaves both alone", () => {
  const conflicts = newConflicts();
  repair(conflicts, { from: 0, kinds: ["link", "route"] });
  assert.deepEqual([isSuspended(conflicts, "link"), isSuspended(conflicts, "route")], [true, true]);
  assert.deepEqual(conflicts.resume(1000), ["link"]);
  repair(conflicts, { from: 1000, kinds: ["link", "route"] });
  assert.deepEqual(conflicts.contested(1020), ["link"]);
});

Deno.test("Conflicts raises what others changed, once, and what was left alone when it is resumed", () => {
  const conflicts = newConflicts();
  assert.deepEqual(conflicts.raise(["route", "rule"]), ["route", "rule"]);
  conflicts.raise(["route"]);
  assert.deepEqual(conflicts.take(), new Set(["route", "rule"]));
  assert.deepEqual(conflicts.take(), new Set());
  repair(conflicts, { from: 0 });
  assert.deepEqual(conflicts.raise(["route", "rule"]), ["rule"]);
  assert.deepEqual(conflicts.take(), new Set(["rule"]));
  conflicts.resume(519);
  assert.deepEqual(conflicts.take(), new Set(["route"]));
});
