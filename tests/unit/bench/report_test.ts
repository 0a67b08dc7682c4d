import assert from "node:assert/strict";
import { insertInto, markdown } from "../../../bench/report.ts";
import { median, spread } from "../../../bench/statistics.ts";

Deno.test("median() is the middle, or the mean of the two in the middle, whatever the order", () => {
  assert.equal(median([9, 1, 10]), 9);
  assert.equal(median([4, 1, 3, 2]), 2.5);
});

Deno.test("spread() names the least and the greatest of more than one", () => {
  assert.equal(spread([12.34, 9.96, 100.4]), "12 (10.0–100)");
  assert.equal(spread([3]), "3.0");
  assert.equal(spread([]), "–");
});

Deno.test("markdown() has the numbers' columns on the right", () => {
  const rows = [["mesh", "ms"], ["peers-20", "7"]];
  assert.equal(
    markdown([{ title: "Figures", rows }]),
    "Figures:\n\n| mesh | ms |\n| --- | --: |\n| peers-20 | 7 |",
  );
});

Deno.test("insertInto() replaces what stands between the marks, and nothing else", async () => {
  const document = await Deno.readTextFile(
    new URL("../../../docs/performance.md", import.meta.url),
  );
  const once = insertInto(document, "first figures")!;
  const twice = insertInto(once, "second figures")!;
  assert.ok(once.includes("first figures") && !twice.includes("first figures"));
  assert.equal(twice, once.replace("first", "second"));
  assert.equal(twice.split("##").at(0), document.split("##").at(0));
  assert.equal(insertInto("no marks here", "figures"), undefined);
});
