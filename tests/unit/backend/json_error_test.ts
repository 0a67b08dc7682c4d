import assert from "node:assert/strict";
import { findJSONError } from "../../../src/backend/file/json_error.ts";

Deno.test("findJSONError() names the line of the first thing that is wrong", () => {
  const cases: [text: string, line: number, reason?: string][] = [
    ["", 1, "the JSON ends too early"],
    ["{\n", 2, "the JSON ends too early"],
    ['{"a": [1, 2}', 1],
    ['{\n"a": 1\n"b": 2}', 3],
    ['{\n"a": 1,\n}', 3],
    ["[\n1,\n]", 3],
    ['{"a"\n1}', 2],
    ["{\na: 1}", 2],
    ["[01]", 1],
    ['["a\tb"]', 1],
    ['\n["\\x"]', 2],
    ["{}\n{}", 2],
    ["nul", 1],
    ["]", 1],
    ["[}", 1],
  ];
  for (const [text, line, reason = "this is not JSON"] of cases) {
    assert.throws(() => JSON.parse(text), text);
    assert.deepEqual(findJSONError(text), { reason, line }, text);
  }
});

Deno.test("findJSONError() passes over everything that is JSON", () => {
  const good = '{"a": [1, -2.5e+3, true, false, null, "\\u00e9\\n"], "b": {}, "c": []}';
  JSON.parse(good);
  assert.equal(findJSONError(`${good}\n!`).line, 2);
});
