import assert from "node:assert/strict";
import { countUsing } from "../../../tools/using.ts";

Deno.test("countUsing() counts variables, however they are written", () => {
  assert.equal(
    countUsing(`{ using a = x, b = y; await using c = z; const d = "using e = 1"; let f; }`),
    3,
  );
  assert.equal(countUsing("for (using a of b) {} for await (const c of d) {}"), 1);
  assert.equal(countUsing("var using = 1; using + 1;"), 0);
});
