import assert from "node:assert/strict";
import { UpdateRest } from "../../../src/backend/file/rest.ts";

Deno.test("UpdateRest.after() is short after quiet times, and twenty times the work in busy ones", () => {
  const rest = new UpdateRest();
  let now = 0;
  const update = (took: number) => {
    const pause = rest.after({ start: now, end: now + took });
    now += took + pause;
    return pause;
  };
  assert.deepEqual(Array.from({ length: 5 }, () => update(10)), [20, 20, 20, 20, 20]);
  assert.ok(
    Array.from({ length: 10 }, () => update(10)).at(-1)! > 150,
    "what was saved is used up",
  );
  assert.equal(update(1000), 250, "the longest");
  now += 10_000;
  assert.equal(update(10), 20);
});
