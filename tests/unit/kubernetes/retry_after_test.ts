import assert from "node:assert/strict";
import { Backoff } from "../../../src/async/backoff.ts";
import { StatusError } from "../../../src/kubernetes/error.ts";
import {
  parseRetryAfter,
  requestedPause,
  RETRY_BACKOFF,
} from "../../../src/kubernetes/retry_after.ts";

Deno.test("RETRY_BACKOFF doubles up to three seconds, with jitter, and starts again after a reset", () => {
  const most = new Backoff({ ...RETRY_BACKOFF, random: () => 0 });
  const least = new Backoff({ ...RETRY_BACKOFF, random: () => 1 });
  const pauses = (backoff: Backoff) => Array.from({ length: 6 }, () => backoff.next());
  assert.deepEqual(pauses(least), [100, 200, 400, 800, 1500, 1500]);
  assert.deepEqual(pauses(most), [200, 400, 800, 1600, 3000, 3000]);
  most.reset();
  assert.equal(most.next(), 200);
});

Deno.test("requestedPause() is what a server asks for, within half a minute", () => {
  const throttled = (retryAfter: number) => new StatusError("429", { code: 429, retryAfter });
  assert.equal(requestedPause(throttled(5000), () => 0), 5000);
  assert.equal(requestedPause(throttled(5000), () => 1), 6250);
  assert.equal(requestedPause(throttled(1e9), () => 0), 30_000);
  assert.equal(requestedPause(throttled(1e9), () => 1), 30_000);
  assert.equal(requestedPause(new Error("no answer")), 0);
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
