import assert from "node:assert/strict";
import { LockedError, lockInterface } from "../../../src/agent/lock.ts";
import { readSystemFile } from "../../../src/os/libc.ts";

readSystemFile("/proc/version"); // libc stays open: not a leak of any test

Deno.test("lockInterface() refuses a second holder until the first is gone", () => {
  {
    using _first = lockInterface("ag-lock0");
    using _other = lockInterface("ag-lock1");
    assert.throws(() => lockInterface("ag-lock0"), (error) => {
      assert(error instanceof LockedError);
      assert.match(error.message, /ag-lock0/);
      return true;
    });
    const bound = Deno.readTextFileSync("/proc/net/unix").split("\n")
      .filter((line) => line.endsWith(" @kilo/ag-lock0"));
    assert.equal(bound.length, 1);
  }
  lockInterface("ag-lock0")[Symbol.dispose]();
});
