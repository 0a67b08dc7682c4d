import assert from "node:assert/strict";
import { readSources } from "../../../tools/check.ts";
import { VERSION } from "../../../src/cli/version.ts";
import config from "../../../deno.json" with { type: "json" };
import { PARTS } from "../../../tools/test.ts";
import { longFiles, undeclaredPackages, wrongArrows } from "../../../tools/house.ts";

function wrong(path: string, text: string): string[] {
  return wrongArrows([{ path, text }]);
}

Deno.test("wrongArrows() lets a module import itself and what is below it", () => {
  assert.deepEqual(wrong("src/mesh/graph.ts", 'import { a } from "./topology.ts";'), []);
  assert.deepEqual(wrong("src/mesh/graph.ts", 'import { a } from "../net/ip.ts";'), []);
  assert.deepEqual(wrong("src/backend/file/status.ts", 'import "../../mesh/peer.ts";'), []);
  assert.deepEqual(wrong("src/main.ts", 'import { KG } from "./cli/commands.ts";'), []);
  assert.deepEqual(wrong("src/cli/version.ts", 'import config from "../../deno.json";'), []);
});

Deno.test("wrongArrows() names every kind of import against an arrow", () => {
  const sentence = "src/mesh/a.ts imports src/netlink/b.ts: mesh may not know netlink";
  for (
    const text of [
      'import { b } from "../netlink/b.ts";',
      'import type { B } from "../netlink/b.ts";',
      'import {\n  b,\n  type B,\n} from "../netlink/b.ts";',
      'import * as b from "../netlink/b.ts";',
      'import "../netlink/b.ts";',
      'export * from "../netlink/b.ts";',
      'export { b } from "../netlink/b.ts";',
      'const { b } = await import("../netlink/b.ts");',
    ]
  ) assert.deepEqual(wrong("src/mesh/a.ts", text), [sentence], text);
});

Deno.test("wrongArrows() refuses what leaves src/ and modules it does not know", () => {
  assert.deepEqual(wrong("src/net/ip.ts", 'import { say } from "../../tools/terminal.ts";'), [
    "src/net/ip.ts imports tools/terminal.ts: net may not know it",
  ]);
  assert.deepEqual(wrong("src/novel/a.ts", ""), ["src/novel/a.ts: novel has no row in ARROWS"]);
});

Deno.test("undeclaredPackages() names packages that deno.json does not", () => {
  const text = 'import assert from "node:assert";\nimport a from "npm:a@1";\nimport b from "b";';
  assert.deepEqual(undeclaredPackages([{ path: "src/x.ts", text }], { b: "npm:b@1" }), [
    "src/x.ts imports npm:a@1, which deno.json does not name",
  ]);
});

Deno.test("undeclaredPackages() takes a module of a package for the package", () => {
  const text = 'import a from "a/lib/a.js";\nimport b from "@b/c/d.js";\nimport e from "@b/e";';
  assert.deepEqual(
    undeclaredPackages([{ path: "src/x.ts", text }], { "a": "npm:a@1", "@b/c": "" }),
    [
      "src/x.ts imports @b/e, which deno.json does not name",
    ],
  );
});

Deno.test("longFiles() names files of more than 350 lines", () => {
  assert.deepEqual(longFiles([{ path: "src/x.ts", text: "\n".repeat(350) }]), []);
  assert.equal(longFiles([{ path: "src/x.ts", text: "\n".repeat(351) }]).length, 1);
});

Deno.test("all of src/ keeps to the arrows", () => {
  const sources = [...readSources("src")];
  assert.ok(sources.length > 20, "they were found");
  assert.deepEqual(wrongArrows(sources), []);
});

Deno.test("the program's version is that of deno.json", () => {
  assert.equal(VERSION, config.version);
});

Deno.test("every folder of tests/ with tests in it is a part of the test command", () => {
  const folders = [...readSources("tests")].filter(({ path }) => path.endsWith("_test.ts"))
    .map(({ path }) => path.split("/")[1]!);
  const parts = PARTS.map(({ name }) => name);
  const without = [...new Set(folders)].filter((folder) => !parts.includes(folder));
  assert.deepEqual(without, [], "give them a row in PARTS of tools/test.ts");
});
