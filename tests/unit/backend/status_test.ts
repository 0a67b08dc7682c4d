import assert from "node:assert/strict";
import fc from "fast-check";
import { load } from "js-yaml";
import { formatStatus } from "../../../src/backend/file/status.ts";

Deno.test("formatStatus() writes YAML a line each annotation, by name", () => {
  const text = formatStatus("a", {
    "kilo.squat.ai/key": "x=",
    "kilo.squat.ai/internal-ip": "1.2.3.4/8",
    "y": "n",
  });
  assert.equal(
    text,
    `apiVersion: v1
kind: Node
metadata:
  name: "a"
  annotations:
    kilo.squat.ai/internal-ip: "1.2.3.4/8"
    kilo.squat.ai/key: "x="
    "y": "n"
`,
  );
});

Deno.test("formatStatus() writes any text so that YAML reads it back", () => {
  const text = fc.string({ unit: "binary" });
  fc.assert(fc.property(text, fc.dictionary(text, text, { minKeys: 1 }), (name, annotations) => {
    fc.pre(!Object.hasOwn(annotations, "__proto__"));
    const metadata = { name, annotations: { ...annotations } };
    assert.deepEqual(load(formatStatus(name, annotations)), {
      apiVersion: "v1",
      kind: "Node",
      metadata,
    });
  }));
});
