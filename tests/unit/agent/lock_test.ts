import assert from "node:assert/strict";
import { type Lock, LockedError, lockInterface } from "../../../src/agent/lock.ts";
import { readSystemFile } from "../../../src/os/libc.ts";

readSystemFile("/proc/version"); // libc stays open: not a leak of any test

const directory = Deno.makeTempDirSync();
globalThis.addEventListener("unload", () => Deno.removeSync(directory, { recursive: true }));

function refusal(lock: () => Lock): string {
  try {
    lock()[Symbol.dispose]();
    return "none";
  } catch (error) {
    assert.ok(error instanceof LockedError, Deno.inspect(error));
    return error.message;
  }
}

Deno.test("lockInterface() refuses a second holder until the first is gone", () => {
  {
    using first = lockInterface("ag-lock0", { directory });
    using _other = lockInterface("ag-lock1", { directory });
    assert.deepEqual(first.warnings, []);
    assert.match(refusal(() => lockInterface("ag-lock0", { directory })), /interface ag-lock0/);
    const bound = Deno.readTextFileSync("/proc/net/unix").split("\n")
      .filter((line) => line.endsWith(" @kilo/ag-lock0"));
    assert.equal(bound.length, 1);
  }
  lockInterface("ag-lock0", { directory })[Symbol.dispose]();
});

Deno.test("either half of a lock refuses", () => {
  using _elsewhere = lockInterface("ag-lock2", { directory: `${directory}/elsewhere` });
  assert.match(refusal(() => lockInterface("ag-lock2", { directory })), /ag-lock2/, "the socket");
});
