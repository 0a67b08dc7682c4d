import assert from "node:assert/strict";
import { draw, DrawingError } from "../../../src/http/draw.ts";

Deno.test("draw() gives up in time, and the thread with it", async () => {
  const names = Array.from({ length: 60 }, (_, n) => `n${n}`);
  const edges = names.flatMap((a, n) => names.slice(n + 1).map((b) => `${a}->${b};`));
  const dot = `digraph {${edges.join("")}}`;
  let turns = 0;
  const timer = setInterval(() => turns++, 10);
  await assert.rejects(
    draw({ dot, format: "svg", layout: "circo" }, { timeout: 500 }),
    (error: Error) => {
      assert.ok(error instanceof DrawingError);
      assert.equal(error.message, "circo did not draw it in 0.5 s: try another layout");
      return true;
    },
  );
  clearInterval(timer);
  assert.ok(turns > 5, "others have their turn meanwhile");
});

Deno.test("draw() draws with the Graphviz whose licence is told", async () => {
  const drawing = await draw({ dot: "digraph {}", format: "svg", layout: "dot" });
  const version = /graphviz version (\S+)/.exec(new TextDecoder().decode(drawing))?.[1];
  const path = new URL("../../../tools/licenses/graphviz.txt", import.meta.url);
  assert.match(await Deno.readTextFile(path), new RegExp(`^  Graphviz ${version},`, "m"));
});
