import assert from "node:assert/strict";
import type { Log } from "../../../src/agent/log.ts";
import { WarningLog } from "../../../src/agent/warning_log.ts";
import { warning } from "../../../src/net/warning.ts";

/** Reports to a log of which only the warnings are kept. */
function reporter() {
  const lines: string[] = [];
  const other = () => assert.fail("only warnings are expected");
  const log: Log = { debug: other, info: other, error: other, warn: (text) => lines.push(text) };
  const warningLog = new WarningLog(log);
  /** The texts of those that are new. */
  const report = (present: readonly string[], now: number) =>
    warningLog.update(present.map((text) => warning("peer", "Peer a", text)), now)
      .map(({ text }) => text);
  /** What is logged of these. */
  const told = (present: readonly string[], now: number) => {
    report(present, now);
    return lines.splice(0);
  };
  return { report, told };
}

/** `name 0` to `name COUNT - 1`. */
function texts(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, n) => `${name} ${n}`);
}

Deno.test("WarningLog logs each text when it appears, and again after it ceased", () => {
  const { report, told } = reporter();
  assert.deepEqual(report(["a", "b", "a"], 0), ["a", "b"]);
  assert.deepEqual(told(["b", "a"], 1000), ["a", "b"], "none of them twice");
  assert.deepEqual(told(["b"], 30_000), []);
  assert.deepEqual(told(["a", "b"], 39_999), [], "it only comes and goes");
  assert.deepEqual(told(["b"], 50_000), []);
  assert.deepEqual(told(["b"], 55_000), []);
  assert.deepEqual(report(["a", "b"], 60_000), ["a"]);
  assert.deepEqual(told(["a", "b"], 61_000), ["a"]);
});

Deno.test("WarningLog names some of a flood and counts the others, once", () => {
  const { report, told } = reporter();
  const flood = texts("broken", 5000);
  const rest = "there are more warnings, too many to name: 4980";
  assert.deepEqual(told(flood, 0), [...flood.slice(0, 20), rest]);
  assert.deepEqual(told(flood, 60_000), []);
  assert.deepEqual(told([...flood, "later"], 120_000), ["later"]);
  assert.equal(report([...flood, ...texts("again", 50)], 121_000).length, 50, "all that are new");
});

Deno.test("WarningLog names a few in a row, and counts what comes faster", () => {
  const { told } = reporter();
  const flood = texts("broken", 60);
  assert.deepEqual(told(flood.slice(0, 15), 0), flood.slice(0, 15));
  assert.deepEqual(told(flood.slice(0, 25), 100), [
    ...flood.slice(15, 20),
    "there are more warnings, too many to name: 5",
  ]);
  assert.deepEqual(told(flood.slice(0, 30), 2200), [
    ...flood.slice(25, 27),
    "there are more warnings, too many to name: 8",
  ]);
});

Deno.test("WarningLog counts a flood that goes on once a second, its last too", () => {
  const { told } = reporter();
  const counts: string[] = [];
  for (let n = 1; n <= 30; n++) {
    counts.push(...told(texts("broken", 50 * n), 100 * n).filter((text) => text.includes("many")));
  }
  assert.equal(counts.length, 3);
  assert.deepEqual(told(texts("broken", 1500), 4000), [
    "there are more warnings, too many to name: 1478",
  ]);
});

Deno.test("WarningLog names those it only counted when others cease", () => {
  const { told } = reporter();
  const flood = texts("broken", 30);
  told(flood, 0);
  assert.deepEqual(told(flood.slice(5), 60_000), flood.slice(20, 25));
  assert.deepEqual(told(flood.slice(25), 120_000), flood.slice(25));
});

Deno.test("WarningLog takes one text about two subjects for two warnings", () => {
  const codes: unknown[] = [];
  const other = () => assert.fail("only warnings are expected");
  const log: Log = {
    ...{ debug: other, info: other, error: other },
    warn: (_, fields) => codes.push(fields?.code),
  };
  const present = ["Peer a", "Peer b"].map((subject) => warning("protected", subject, "same"));
  assert.equal(new WarningLog(log).update(present, 0).length, 2);
  assert.deepEqual(codes, ["protected", "protected"]);
});
