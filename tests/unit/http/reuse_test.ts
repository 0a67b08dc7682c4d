import assert from "node:assert/strict";
import { reuse } from "../../../src/http/reuse.ts";

Deno.test("reuse() makes a value anew only when that takes a twentieth of the time", async () => {
  let now = 0, made = 0;
  const value = reuse(() => {
    now += 5; // milliseconds to make it
    return Promise.resolve(++made);
  }, { clock: () => now });
  assert.equal(await value(), 1);
  now += 99;
  assert.equal(await value(), 1);
  now += 1;
  assert.equal(await value(), 2);
});

Deno.test("reuse() gives one value to all who ask while it is being made", async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  let made = 0;
  const value = reuse(() => (made++, promise));
  const both = Promise.all([value(), value()]);
  resolve("one");
  assert.deepEqual([await both, made], [["one", "one"], 1]);
});

Deno.test("reuse() tries again after a failure", async () => {
  let made = 0;
  const value = reuse(() => made++ === 0 ? Promise.reject(new Error("no")) : Promise.resolve(made));
  await assert.rejects(value(), /no/);
  assert.equal(await value(), 2);
});
