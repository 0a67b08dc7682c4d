import assert from "node:assert/strict";
import { load } from "js-yaml";
import { explainYAMLError, YAML_SCHEMA } from "../../../src/net/yaml.ts";

Deno.test("YAML_SCHEMA reads merge keys", () => {
  const text = "a: &a {k: 1, j: 2}\nb: &b {l: 3}\nc:\n  <<: [*a, *b]\n  j: 4\n";
  const { c } = load(text, { schema: YAML_SCHEMA }) as { c: unknown };
  assert.deepEqual(c, { k: 1, j: 4, l: 3 });
});

Deno.test("explainYAMLError() names line and reason, and quotes nothing of the text", () => {
  const cases: readonly [text: string, reason: RegExp][] = [
    ["a: *s3cret", /^unidentified alias$/],
    ["a: !s3cret b", /^unknown scalar tag$/],
    ["a: !<s3cret> b", /^unknown scalar tag$/],
    ["a: !s3cret!b c", /^undeclared tag handle$/],
    ["a: !b^s3cret c", /^tag name cannot contain such characters$/],
    ["a: s3cret\nb", /^(can not read|expected : after)/],
    ["a: [s3cret\n", /^(deficient indentation|unexpected end)/],
    ["a: 's3cret", /^unexpected end of the stream/],
    ["a: s3cret\na: b", /^duplicated mapping key$/],
  ];
  for (const [text, expected] of cases) {
    assert.throws(() => load(text, { schema: YAML_SCHEMA }), (error) => {
      const { reason, line } = explainYAMLError(error);
      assert.match(reason, expected, text);
      assert(!reason.includes("s3cret") && Number.isInteger(line), `${line}: ${reason}`);
      return true;
    });
  }
  assert.equal(explainYAMLError(new Error("s3cret")).reason, "it cannot be read");
});
