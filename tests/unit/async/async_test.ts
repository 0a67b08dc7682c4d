import assert from "node:assert/strict";
import { Backoff } from "../../../src/async/backoff.ts";
import { SYSTEM_CLOCK } from "../../../src/async/clock.ts";
import { deadline, DeadlineError } from "../../../src/async/deadline.ts";
import { Mutex } from "../../../src/async/mutex.ts";
import { sleep } from "../../../src/async/sleep.ts";
import { TokenBucket } from "../../../src/async/token_bucket.ts";
import { FakeClock, settle } from "../../fake_clock.ts";

/** Whether the promise has settled by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  promise.finally(() => done = true).catch(() => {});
  await settle();
  return done;
}

Deno.test("SYSTEM_CLOCK fires a timer, unless it is disposed of", async () => {
  const fired: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  SYSTEM_CLOCK.after(0, () => fired.push("disposed of"))[Symbol.dispose]();
  using _longest = SYSTEM_CLOCK.after(2 ** 40, () => fired.push("too long"));
  using _timer = SYSTEM_CLOCK.after(1, resolve);
  await promise;
  assert.deepEqual(fired, []);
});

Deno.test("sleep() resolves after its time, or as soon as the signal is aborted", async () => {
  const clock = new FakeClock();
  const first = sleep(100, { clock });
  await clock.advance(99);
  assert.equal(await isSettled(first), false);
  await clock.advance(1);
  assert.equal(await isSettled(first), true);
  const stop = new AbortController();
  const second = sleep(100, { clock, signal: stop.signal });
  stop.abort();
  await second;
  await sleep(100, { clock, signal: stop.signal });
  assert.equal(clock.pending, 0, "no timer is left");
});

Deno.test("deadline() settles as the action does while there is time", async () => {
  const clock = new FakeClock();
  const options = { milliseconds: 100, what: "reading", clock };
  assert.equal(await deadline(Promise.resolve(7), options), 7);
  await assert.rejects(deadline(Promise.reject(new Error("no")), options), /^Error: no$/);
  assert.equal(clock.pending, 0);
});

Deno.test("deadline() rejects when the time is over; what comes later is dropped", async () => {
  const clock = new FakeClock();
  const { promise, reject } = Promise.withResolvers<void>();
  const late = deadline(promise, { milliseconds: 1500, what: "reading", clock });
  late.catch(() => {});
  await clock.advance(1500);
  await assert.rejects(late, (error) => error instanceof DeadlineError);
  await assert.rejects(late, /reading took over 1.5 s/);
  reject(new Error("late"));
  await settle();
});

Deno.test("Backoff.next() doubles up to the longest, and begins again after a reset", () => {
  const backoff = new Backoff({ first: 200, longest: 1000 });
  assert.deepEqual(Array.from({ length: 5 }, () => backoff.next()), [200, 400, 800, 1000, 1000]);
  backoff.reset();
  assert.equal(backoff.next(), 200);
  assert.equal(backoff.next({ atLeast: 5000 }), 5000);
});

Deno.test("Backoff.next() takes the jitter off", () => {
  const halves = new Backoff({ first: 200, longest: 1000, jitter: 0.5, random: () => 0.5 });
  assert.deepEqual([halves.next(), halves.next()], [150, 300]);
});

Deno.test("TokenBucket.reserve() gives a burst at once, then one token an interval", async () => {
  const clock = new FakeClock();
  const bucket = new TokenBucket({ perSecond: 5, burst: 3, clock });
  assert.deepEqual(Array.from({ length: 5 }, () => bucket.reserve()), [0, 0, 0, 200, 400]);
  await clock.advance(400);
  assert.equal(bucket.reserve(), 200, "reserved tokens count");
  await clock.advance(60_000);
  const burst = Array.from({ length: 4 }, () => bucket.reserve());
  assert.deepEqual(burst, [0, 0, 0, 200], "no more than a burst");
});

Deno.test("TokenBucket.tryTake() takes what is there, and nothing of the future", async () => {
  const clock = new FakeClock();
  const bucket = new TokenBucket({ perSecond: 5, burst: 2, clock });
  assert.deepEqual(Array.from({ length: 3 }, () => bucket.tryTake()), [true, true, false]);
  await clock.advance(200);
  assert.deepEqual([bucket.tryTake(), bucket.tryTake()], [true, false]);
});

Deno.test("TokenBucket.block() blocks all callers, then gives one token after the other", async () => {
  const clock = new FakeClock();
  const bucket = new TokenBucket({ perSecond: 10, burst: 3, clock });
  bucket.block(1000);
  const first = bucket.take();
  const second = bucket.take();
  await clock.advance(1000);
  assert.deepEqual([await isSettled(first), await isSettled(second)], [true, false]);
  await clock.advance(100);
  assert.equal(await isSettled(second), true);
  bucket.block(0);
  assert.equal(bucket.reserve(), 100, "no token is given twice");
});

Deno.test("TokenBucket.take() ends its wait when the signal is aborted", async () => {
  const clock = new FakeClock();
  const bucket = new TokenBucket({ perSecond: 1, burst: 1, clock });
  const stop = new AbortController();
  await bucket.take(stop.signal);
  const waiting = bucket.take(stop.signal);
  assert.equal(await isSettled(waiting), false);
  stop.abort();
  assert.equal(await isSettled(waiting), true);
});

Deno.test("Mutex.run() starts an action when all before it have ended, whatever they did", async () => {
  const mutex = new Mutex();
  const order: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const first = mutex.run(async () => {
    await promise;
    order.push("first");
    throw new Error("first failed");
  });
  const second = mutex.run(() => Promise.resolve(order.push("second")));
  await settle();
  assert.deepEqual(order, []);
  resolve();
  await assert.rejects(first, /first failed/);
  await mutex.idle();
  assert.deepEqual([order, await second], [["first", "second"], 2]);
});
