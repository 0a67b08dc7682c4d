import assert from "node:assert/strict";
import { type FileContent, readContent } from "../../../src/backend/file/objects.ts";

const KEY = "9GzWJHTLWNSIRIQ3BIEYCmMPBoJOBjDhr4GNMdGpYAE=";

const read = (text: string, last?: FileContent) =>
  readContent(text, { path: "/d/a.yaml", topologyLabel: "zone", last });

const texts = (content: FileContent) => content.problems.map(({ text }) => text);

Deno.test("readContent() keeps of a Node only what its value depends on", () => {
  const { nodes, problems } = read(`
apiVersion: v1
kind: Node
metadata:
  name: n
  uid: x
  labels: { zone: a, other: b }
  annotations: { kilo.squat.ai/leader: "", foreign: x }
spec: { podCIDR: 10.42.0.0/24, unschedulable: true }
status: { addresses: [] }
`);
  assert.deepEqual(nodes, [{
    metadata: { name: "n", labels: { zone: "a" }, annotations: { "kilo.squat.ai/leader": "" } },
    spec: { podCIDR: "10.42.0.0/24" },
  }]);
  assert.deepEqual(problems, []);
});

Deno.test("readContent() lets an invalid Peer keep its name taken, and counts it", () => {
  const content = read(`
kind: Peer
metadata: { name: bad }
spec: { allowedIPs: [10.0.0.0], publicKey: "${KEY}" }
---
kind: Peer
metadata: { name: good }
spec: { allowedIPs: [10.0.0.0/8], publicKey: "${KEY}" }
---
kind: Peer
metadata: { name: ugly }
spec: { allowedIPs: 7 }
`);
  assert.deepEqual(content.peers.map(({ name, peer }) => [name, peer?.name]), [
    ["bad", undefined],
    ["good", "good"],
    ["ugly", undefined],
  ]);
  assert.deepEqual(content.problems.map(({ event }) => event), ["peer", "peer"]);
  assert.match(texts(content)[0]!, /^\/d\/a\.yaml: Peer "bad" is ignored: spec\.allowedIPs\[0\]/);
});

Deno.test("readContent() keeps a misshapen Node as it was, if it was", () => {
  const good = read("kind: Node\nmetadata: { name: n }\nspec: { podCIDR: 10.42.0.0/24 }");
  const text = "kind: Node\nmetadata: { name: n, annotations: { kilo.squat.ai/location: 1 } }";
  const kept = read(text, good);
  assert.equal(kept.nodes[0], good.nodes[0]);
  assert.match(
    texts(kept)[0]!,
    /^\/d\/a\.yaml: Node "n": .*location is not a string.*stays as it was$/,
  );
  const fresh = read(text);
  assert.deepEqual(fresh.nodes, []);
  assert.match(texts(fresh)[0]!, /it is ignored$/);
});

Deno.test("readContent() refuses names that cannot be part of a path", () => {
  for (const name of [".", "..", "../x", "a%2f"]) {
    assert.deepEqual(read(`kind: Node\nmetadata: { name: "${name}" }`).nodes, [], name);
  }
});

Deno.test("readContent() ignores other kinds with one warning each", () => {
  const content = read(
    "kind: Pod\n---\nkind: Pod\n---\napiVersion: other/v1\nkind: Peer\n---\nkind: Node\nmetadata: { name: n }",
  );
  assert.equal(content.nodes.length, 1);
  assert.deepEqual(texts(content), [
    '/d/a.yaml: objects of kind "Pod" are ignored',
    '/d/a.yaml: objects of kind "Peer" are ignored',
  ]);
});
