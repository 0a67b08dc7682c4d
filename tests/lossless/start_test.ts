/** Flows that are older than the mesh live in it as others do: no connection is remembered wrongly. */

import assert from "node:assert/strict";
import { describe, Mesh } from "./mesh.ts";

const NODES = ["berlin-1", "berlin-2", "tokyo-1", "office-1"];

Deno.test("flows begun before and during the start of a mesh live once it stands", async () => {
  await using mesh = await Mesh.create();
  let stoodAt = Infinity;
  const fates = await mesh.during(
    "all agents started from nothing, lost until the mesh stands",
    { ends: mesh.pods(...NODES), concerned: NODES },
    async (prober) => {
      await mesh.start(...NODES);
      stoodAt = prober.elapsed;
    },
  );
  // Outside is left out: what was begun before anybody masqueraded goes on unmasqueraded.
  const inside = fates.where(({ to }) => to.name !== "outside").all;
  const dead = inside.filter(({ foreign, gaps }) =>
    foreign > 0 || gaps.some(({ at, length }) => at + length > stoodAt)
  );
  assert.equal(dead.length, 0, `stood at ${stoodAt} ms\n${dead.map(describe).join("\n")}`);
});
