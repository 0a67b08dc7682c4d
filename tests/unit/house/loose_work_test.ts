import assert from "node:assert/strict";
import { run } from "../../../tools/command.ts";
import { looseWork } from "../../../tools/loose_work.ts";

const types = await run([Deno.execPath(), "types"]);

const PROLOGUE = `
declare function ask(): Promise<number>;
declare function later(work: () => void): void;
declare function owned(work: () => unknown): void;
`;

/** What is said of this code, without places. */
function said(code: string, path = "src/agent/sample.ts"): string[] {
  const text = `${PROLOGUE}export async function sample() {\n${code}\n}`;
  return looseWork([{ path, text }], { root: "/sample/", types })
    .map((sentence) => sentence.replace(/^\S+ /, "").replace(/: give it.*/, ""));
}

Deno.test("looseWork() finds promises that nobody waits for, however they are written", () => {
  for (
    const code of [
      "ask();",
      "void ask();",
      "ask().then(() => {});",
      "ask().finally(() => {});",
      "if (Math.random() > 1) ask();",
      "Math.random() > 1 && ask();",
      "Math.random() > 1 ? ask() : 0;",
      "(async () => { await ask(); })();",
      "new Promise(() => {});",
      "const maybe = (): Promise<void> | undefined => undefined; maybe();",
    ]
  ) assert.deepEqual(said(code), ["nobody waits for this promise"], code);
  for (const code of ["later(async () => { await ask(); });", "later(() => ask());"]) {
    assert.deepEqual(said(code), ["nobody waits for what this function returns"], code);
  }
});

Deno.test("looseWork() finds timers and event handlers", () => {
  for (
    const code of [
      "setTimeout(() => {}, 1);",
      "const timer = setInterval(() => {}, 1); clearInterval(timer);",
      "globalThis.setTimeout(() => {}, 1);",
      "queueMicrotask(() => {});",
      'new AbortController().signal.addEventListener("abort", () => {});',
    ]
  ) {
    assert.equal(
      said(code).filter((text) => text.includes("runs what nobody owns")).length,
      1,
      code,
    );
  }
});

Deno.test("looseWork() leaves alone what has an owner, and the owner itself", () => {
  for (
    const code of [
      "await ask();",
      "return ask();",
      "const promise = ask(); await promise;",
      "ask().catch(() => {});",
      "ask().then(() => {}, () => {});",
      "owned(() => ask());",
      "owned(async () => { await ask(); });",
      "later(() => {});",
    ]
  ) assert.deepEqual(said(code), [], code);
  assert.deepEqual(said("setTimeout(() => {}, 1);", "src/async/timer.ts"), []);
});
