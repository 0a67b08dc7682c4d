import assert from "node:assert/strict";
import { insertInto, markdown, tables } from "../../../bench/report.ts";
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

Deno.test("tables() tells of an API server what was measured, and nothing of check-ins nobody watched", () => {
  const changes = { added: [30], changed: [40], removed: [20] };
  const scale = { nodes: 1000, peers: 500, starts: [{ wall: 500, own: 300, cpu: 400 }], changes };
  const none = { meshes: [], quiet: [], program: undefined };
  const [unwatched] = tables({ ...none, scale: { ...scale, checkIns: undefined } });
  assert.equal(unwatched!.title, "1000 nodes and 500 Peers on a real API server");
  assert.deepEqual(unwatched!.rows.map(([, figure]) => figure), [
    ...["kg", "500", "300", "400", "30", "40", "20"],
  ]);
  const memory = { resident: 77.8e6, anonymous: 38.4e6, peak: 90e6 };
  const [watched] = tables({
    ...none,
    scale: { ...scale, checkIns: { cpu: 557, writes: 0, memory } },
  });
  const figures = watched!.rows.slice(unwatched!.rows.length).map(([, figure]) => figure);
  assert.deepEqual(figures, ["557", "0", "77.8", "38.4", "90.0"]);
});

Deno.test("insertInto() replaces what stands between the marks, and nothing else", async () => {
  const document = await Deno.readTextFile(
    new URL("../../../docs/performance.md", import.meta.url),
  );
  const once = insertInto(document, "first figures")!;
  const twice = insertInto(once, "second figures")!;
  assert.ok(once.includes("first figures") && !twice.includes("first figures"));
  assert.equal(twice, once.replace("first figures", "second figures"));
  assert.equal(twice.split("##").at(0), document.split("##").at(0));
  assert.equal(insertInto("no marks here", "figures"), undefined);
});
