import assert from "node:assert/strict";
import { sleep } from "../../../src/async/sleep.ts";
import { Backoff } from "../../../src/kubernetes/backoff.ts";
import { StatusError } from "../../../src/kubernetes/error.ts";
import { parseRetryAfter } from "../../../src/kubernetes/retry_after.ts";

Deno.test("Backoff doubles up to three seconds, with jitter, and begins anew after a success", () => {
  const least = new Backoff(() => 0), most = new Backoff(() => 1);
  const pauses = (backoff: Backoff) => Array.from({ length: 6 }, () => backoff.pause());
  assert.deepEqual(pauses(least), [100, 200, 400, 800, 1500, 1500]);
  assert.deepEqual(pauses(most), [200, 400, 800, 1600, 3000, 3000]);
  most.reset();
  assert.equal(most.pause(), 200);
});

Deno.test("Backoff does what a server asks for, within half a minute", () => {
  const throttled = (retryAfter: number) => new StatusError("429", { code: 429, retryAfter });
  assert.equal(new Backoff(() => 0).pause(throttled(5000)), 5000);
  assert.equal(new Backoff(() => 0).pause(throttled(1e9)), 30_000);
  assert.equal(new Backoff(() => 1).pause(throttled(1e9)), 30_000);
  assert.equal(new Backoff(() => 0).pause(throttled(1)), 100);
});

Deno.test("parseRetryAfter() takes seconds and dates, and not more than half a minute", () => {
  const now = Date.UTC(2026, 0, 1);
  const parsed = (text: string | null) => parseRetryAfter(text, now);
  assert.equal(parsed("7"), 7000);
  assert.equal(parsed("3600"), 30_000);
  assert.equal(parsed("9".repeat(400)), 30_000);
  assert.equal(parsed("Thu, 01 Jan 2026 00:00:05 GMT"), 5000);
  assert.equal(parsed("Thu, 01 Jan 2099 00:00:05 GMT"), 30_000);
  for (const text of ["0", "-5", "soon", "", "1e9x", "Thu, 01 Jan 1970 00:00:00 GMT", null]) {
    assert.equal(parsed(text), undefined, `${text}`);
  }
});

Deno.test("sleep() ends with its signal", async () => {
  const stop = new AbortController();
  const slept = sleep(1e6, { signal: stop.signal });
  stop.abort();
  await slept;
  await sleep(1e6, { signal: stop.signal });
});
