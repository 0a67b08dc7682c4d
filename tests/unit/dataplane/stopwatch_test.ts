import assert from "node:assert/strict";
import { Stopwatch } from "../../../src/dataplane/stopwatch.ts";

function busy(milliseconds: number): string {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
  return "done";
}

Deno.test("Stopwatch adds up the time of each kind of work, awaited or not, failed or not", async () => {
  const watch = new Stopwatch(["a", "b"]);
  assert.deepEqual(watch.milliseconds, { a: 0, b: 0 });
  assert.equal(watch.time("a", () => busy(2)), "done");
  const { a } = watch.milliseconds;
  assert.ok(a >= 2);
  const { promise, resolve } = Promise.withResolvers<string>();
  const timed = watch.time("a", () => promise);
  busy(3);
  resolve("later");
  assert.equal(await timed, "later");
  assert.ok(watch.milliseconds.a >= a + 3);
  assert.throws(() =>
    watch.time("b", () => {
      busy(2);
      throw new Error("no");
    })
  );
  assert.ok(watch.milliseconds.b >= 2);
});
