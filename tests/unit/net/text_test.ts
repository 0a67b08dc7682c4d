import assert from "node:assert/strict";
import { compareText, quote } from "../../../src/net/text.ts";

Deno.test("compareText() sorts as the bytes of UTF-8 do", () => {
  const texts = [
    "",
    "a",
    "a-",
    "a.",
    "a/",
    "a0",
    "aa",
    "b",
    "é",
    "ﬀ",
    "\u{fffd}",
    "😀",
    "😁",
    "😀a",
    "a😀",
  ];
  const bytes = (text: string) => new TextEncoder().encode(text);
  const byBytes = (a: string, b: string) => {
    const x = bytes(a), y = bytes(b);
    const at = x.findIndex((byte, index) => byte !== y[index]);
    return at < 0 ? x.length - y.length : x[at]! - (y[at] ?? -1);
  };
  assert.deepEqual(texts.toSorted(compareText), texts.toSorted(byBytes));
  assert.ok(compareText("\u{fffd}", "😀") < 0, "JavaScript's own order is the other one");
  assert.equal(compareText("a", "a"), 0);
});

Deno.test("quote() escapes, and cuts what is too long to read", () => {
  assert.equal(quote('a"\n'), '"a\\"\\n"');
  assert.equal(quote("x".repeat(81)), `"${"x".repeat(80)}…"`);
});
