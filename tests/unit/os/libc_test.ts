import assert from "node:assert/strict";
import { readSystemFile, SystemError, writeSystemFile } from "../../../src/os/libc.ts";

readSystemFile("/proc/version"); // libc stays open: not a leak of any test

Deno.test("readSystemFile() reads what Deno reads", async () => {
  assert.equal(readSystemFile("/proc/version"), await Deno.readTextFile("/proc/version"));
});

Deno.test("readSystemFile() and writeSystemFile() say what was tried on what", () => {
  for (const action of [readSystemFile, (path: string) => writeSystemFile(path, "1")]) {
    assert.throws(() => action("/proc/none/such"), (error) => {
      assert(error instanceof SystemError);
      assert.equal(error.message, "open /proc/none/such: ENOENT");
      return true;
    });
  }
});
