import assert from "node:assert/strict";
import { cpio, type Entry } from "../../vm/cpio.ts";

function archive(entries: readonly Entry[]): string {
  return [...cpio(entries)].map((piece) => new TextDecoder("latin1").decode(piece)).join("");
}

/** As `cpio --create --format=newc` writes it, but for what it knows of the files' history. */
Deno.test("cpio() writes files, links and the directories they are in", () => {
  const fields = (ino: number, mode: string, size: number, name: number) =>
    [ino, mode, 0, 0, 1, 0, size.toString(16), 0, 0, 0, 0, name.toString(16), 0]
      .map((field) => String(field).padStart(8, "0")).join("");
  assert.equal(
    archive([
      { path: "bin/tool", content: "hello" },
      { path: "bin/name", content: { linkTo: "tool" } },
      { path: "init", content: new Uint8Array([1, 2, 3, 4]) },
    ]),
    `070701${fields(1, "41ed", 0, 4)}bin\0\0\0` +
      `070701${fields(2, "81ed", 5, 9)}bin/tool\0\0hello\0\0\0` +
      `070701${fields(3, "a1ff", 4, 9)}bin/name\0\0tool` +
      `070701${fields(4, "81ed", 4, 5)}init\0\x01\x02\x03\x04`.replace("init\0", "init\0\0") +
      `070701${fields(0, "0", 0, 11)}TRAILER!!!\0\0\0\0`,
  );
});

Deno.test("cpio() keeps every header and every content on a multiple of four bytes", () => {
  for (let length = 1; length < 20; length++) {
    const path = "x".repeat(length);
    const text = archive([{ path, content: "y".repeat(length) }, { path: "z", content: "" }]);
    assert.equal(text.length % 4, 0);
    for (const { index } of text.matchAll(/070701/g)) assert.equal(index % 4, 0);
  }
});

Deno.test("cpio() names a directory once, before what is in it", () => {
  const text = archive([{ path: "a/b/c", content: "" }, { path: "a/b/d", content: "" }]);
  const names = [...text.matchAll(/070701[0-9a-f]{104}([^\0]+)\0/g)].map(([, name]) => name);
  assert.deepEqual(names, ["a", "a/b", "a/b/c", "a/b/d", "TRAILER!!!"]);
});
