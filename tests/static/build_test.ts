/** What the build makes, apart from running it. */

import assert from "node:assert/strict";
import { cp } from "node:fs/promises";
import { build } from "../../tools/build.ts";
import { run } from "../../tools/command.ts";

const ROOT = `${import.meta.dirname}/../..`;
const kg = await build();

Deno.test("kg has at most 98 MB", async () => {
  assert((await Deno.stat(kg)).size <= 98e6);
});

Deno.test("kg version --licenses prints the licences of all that is embedded", async () => {
  const text = await run([kg, "version", "--licenses"]);
  const titles = /^The parts:\n\n((?: {2}.*\n)+)/m.exec(text)![1]!.trim().split(/\n */);
  const parts = ["kg", "Deno ", "js-yaml ", "@hpcc-js/wasm-graphviz ", "Graphviz, "];
  parts.push("ld.so, libc, libm: ", "libgcc_s: ", "libmnl: ");
  for (const part of parts) assert(titles.some((title) => title.startsWith(part)), part);
  const bodies = titles.map((title) => text.split(`\n${"=".repeat(78)}\n${title}\n`)[1] ?? "");
  for (const [n, body] of bodies.entries()) {
    assert.match(body, /licen[sc]e/i, `licence of ${titles[n]}`);
  }
  assert.match(text, /GCC RUNTIME LIBRARY EXCEPTION/);
});

Deno.test("two builds in different directories with different caches give the same bytes", async () => {
  const work = await Deno.makeTempDir({ prefix: "kg static " });
  try {
    const { denoDir } = JSON.parse(await run([Deno.execPath(), "info", "--json"]));
    const checkouts = [`${work}/one`, `${work}/a deeper/checkout`];
    for (const [n, checkout] of checkouts.entries()) {
      for (const name of ["LICENSE", "deno.json", "deno.lock", "src", "tools"]) {
        await cp(`${n === 0 ? ROOT : checkouts[0]}/${name}`, `${checkout}/${name}`, {
          recursive: true,
        });
      }
      const env = { DENO_DIR: `${checkout}/cache` };
      await cp(`${denoDir}/npm`, `${env.DENO_DIR}/npm`, { recursive: true });
      await run([Deno.execPath(), "task", "build"], { cwd: checkout, env });
    }
    await run(["cmp", ...checkouts.map((checkout) => `${checkout}/dist/kg`)]);
  } finally {
    await Deno.remove(work, { recursive: true });
  }
});
