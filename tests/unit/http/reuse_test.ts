import assert from "node:assert/strict";
import { reuse } from "../../../src/http/reuse.ts";

Deno.test("reuse() makes a value anew only when that takes a twentieth of the time", () => {
  let now = 0, made = 0;
  const value = reuse(() => {
    now += 5; // milliseconds to make it
    return ++made;
  }, { clock: () => now });
  assert.equal(value(), 1);
  now += 99;
  assert.equal(value(), 1);
  now += 1;
  assert.equal(value(), 2);
});
