import assert from "node:assert/strict";
import { Truce } from "../../../src/agent/truce.ts";

/** Repairs routes so many times, one each millisecond. */
function repair(truce: Truce<"route" | "rule">, { times, from }: { times: number; from: number }) {
  for (let n = 0; n < times; n++) truce.repaired(["route"], from + n);
}

Deno.test("Truce suspends what is repaired again and again, and nothing else", () => {
  const truce = new Truce<"route" | "rule">();
  repair(truce, { times: 19, from: 0 });
  assert.equal(truce.isSuspended("route"), false);
  repair(truce, { times: 1, from: 19 });
  assert.deepEqual([truce.isSuspended("route"), truce.isSuspended("rule")], [true, false]);
  assert.deepEqual(truce.contested(100), ["route"]);
});

Deno.test("Truce forgets repairs that lie apart", () => {
  const truce = new Truce<"route" | "rule">();
  for (let n = 0; n < 100; n++) truce.repaired(["route"], n * 1000);
  assert.equal(truce.isSuspended("route"), false);
});

Deno.test("Truce gives another chance at a resync, and remembers the war for a while", () => {
  const truce = new Truce<"route" | "rule">();
  repair(truce, { times: 20, from: 0 });
  truce.resume();
  assert.equal(truce.isSuspended("route"), false);
  assert.deepEqual(truce.contested(30_000), ["route"]);
  assert.deepEqual(truce.contested(700_000), []);
});
