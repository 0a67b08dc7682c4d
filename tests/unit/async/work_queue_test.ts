import assert from "node:assert/strict";
import { WorkQueue } from "../../../src/async/work_queue.ts";
import { FakeClock, settle } from "../../fake_clock.ts";

Deno.test("WorkQueue.next() returns all reasons added since the last call, each once", async () => {
  const queue = new WorkQueue<string>();
  queue.add("a");
  queue.add("b");
  queue.add("a");
  assert.deepEqual(await queue.next(), new Set(["a", "b"]));
  const next = queue.next();
  queue.add("c");
  assert.deepEqual(await next, new Set(["c"]));
});

Deno.test("WorkQueue.next() keeps what is added during a pass for the next one", async () => {
  const queue = new WorkQueue<string>();
  queue.add("a");
  const first = await queue.next();
  queue.add("b");
  assert.deepEqual([first, await queue.next()], [new Set(["a"]), new Set(["b"])]);
});

Deno.test("WorkQueue.addAfter() adds when its time has come, and replaces the timer of before", async () => {
  const clock = new FakeClock();
  const queue = new WorkQueue<string>({ clock });
  const seen: string[] = [];
  const worker = (async () => {
    for (let next; (next = await queue.next());) seen.push([...next].join());
  })();
  queue.addAfter("a", 100);
  queue.addAfter("b", 50);
  queue.addAfter("a", 200);
  assert.ok(queue.isScheduled("a"));
  await clock.advance(100);
  assert.deepEqual(seen, ["b"]);
  await clock.advance(100);
  assert.deepEqual([seen, queue.isScheduled("a")], [["b", "a"], false]);
  queue.addAfter("a", 10);
  queue.addAfter("a", undefined);
  await clock.advance(1000);
  assert.deepEqual(seen, ["b", "a"]);
  queue.close();
  await worker;
});

Deno.test("WorkQueue.close() ends a waiting next() and all timers", async () => {
  const clock = new FakeClock();
  const queue = new WorkQueue<string>({ clock });
  queue.addAfter("a", 10);
  const next = queue.next();
  await settle();
  queue.close();
  assert.equal(await next, undefined);
  queue.add("b");
  queue.addAfter("c", 10);
  assert.deepEqual([await queue.next(), clock.pending], [undefined, 0]);
});
