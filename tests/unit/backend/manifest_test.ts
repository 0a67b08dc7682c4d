import assert from "node:assert/strict";
import { ManifestError, parseManifest } from "../../../src/backend/file/manifest.ts";

const kinds = (text: string, format: "json" | "yaml" = "yaml") =>
  parseManifest(text, format).map(({ kind, apiVersion, value }) => [
    kind,
    apiVersion,
    (value as { id?: number }).id,
  ]);

Deno.test("parseManifest() reads YAML documents, empty ones left out", () => {
  assert.deepEqual(kinds("---\nkind: Node\nid: 1\n---\n---\n# nothing\n---\nkind: Peer\nid: 2\n"), [
    ["Node", undefined, 1],
    ["Peer", undefined, 2],
  ]);
  assert.deepEqual(kinds(""), []);
  assert.deepEqual(kinds("# nothing\n"), []);
});

Deno.test("parseManifest() opens lists, whose kind stands for items without one", () => {
  assert.deepEqual(
    kinds(
      '{"kind":"List","apiVersion":"v1","items":[{"kind":"Node","id":1},{"kind":"X"}]}',
      "json",
    ),
    [["Node", undefined, 1], ["X", undefined, undefined]],
  );
  assert.deepEqual(
    kinds("kind: PeerList\napiVersion: kilo.squat.ai/v1alpha1\nitems:\n- id: 1\n- kind: Peer\n"),
    [["Peer", "kilo.squat.ai/v1alpha1", 1], ["Peer", "kilo.squat.ai/v1alpha1", undefined]],
  );
  assert.deepEqual(kinds("kind: NodeList\nitems: null"), []);
});

Deno.test("parseManifest() names the line of broken text and never quotes it", () => {
  const cases: [text: string, format: "json" | "yaml", line: number | undefined][] = [
    ["kind: Node\nmetadata: [\n", "yaml", 3],
    ["kind: Node\n---\n\tkind: Node", "yaml", 3],
    ['{"kind":"Node",\n"secret":}', "json", 2],
    ["kind: Peer\nspec: {presharedKey: *secret}", "yaml", 2],
    ["kind: Peer\nspec: {presharedKey: !secret x}", "yaml", 2],
    ["just words, a secret", "yaml", undefined],
    ["- kind: Node", "yaml", undefined],
    ["kind: 7", "yaml", undefined],
    ["kind: NodeList\nitems: secret", "yaml", undefined],
    ["kind: List\nitems: [secret]", "yaml", undefined],
    ["7", "json", undefined],
  ];
  for (const [text, format, line] of cases) {
    assert.throws(() => parseManifest(text, format), (error) => {
      assert(error instanceof ManifestError, String(error));
      assert.equal(error.line, line, `${text}: ${error.message}`);
      assert(!error.message.includes("secret") && !error.message.includes("\n"), error.message);
      return true;
    });
  }
});

Deno.test("parseManifest() merges with `<<`, as kubectl does", () => {
  const text = "kind: List\nitems:\n- &a {kind: Node, id: 1}\n- {<<: *a, id: 2}\n";
  assert.deepEqual(kinds(text), [["Node", undefined, 1], ["Node", undefined, 2]]);
});
