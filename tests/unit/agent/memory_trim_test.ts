import assert from "node:assert/strict";
import { ownPages } from "../../../src/agent/memory_trim.ts";

Deno.test("ownPages() names code and constants of files, and nothing that was ever written", () => {
  const maps = `\
7f6235800000-7f6237aa3000 r--p 00000000 fe:00 9978425                    /opt/bin/kg
7f6237aa4000-7f623adf0000 r-xp 022a3000 fe:00 9978425                    /opt/bin/kg
7f623adf0000-7f623afbe000 r--p 055ee000 fe:00 9978425                    /opt/bin/kg
7f623afbe000-7f623afd4000 rw-p 057bb000 fe:00 9978425                    /opt/bin/kg
7f623b0b2000-7f623b0b6000 r--p 00000000 00:00 0
7ffc1d5f1000-7ffc1d5f3000 r-xp 00000000 00:00 0                          [vdso]
`;
  assert.deepEqual(ownPages(maps), [
    [0x7f6235800000n, 0x7f6237aa3000n],
    [0x7f6237aa4000n, 0x7f623adf0000n],
  ]);
  assert.deepEqual(ownPages(""), []);
});
