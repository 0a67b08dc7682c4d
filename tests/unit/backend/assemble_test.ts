import assert from "node:assert/strict";
import {
  assemble,
  type Assembled,
  changeOf,
  type Files,
  NOTHING,
} from "../../../src/backend/file/assemble.ts";
import { type FileContent, readContent } from "../../../src/backend/file/objects.ts";
import type { Strings } from "../../../src/mesh/object.ts";
import { formatEndpoint } from "../../../src/net/endpoint.ts";
import { formatPrefix } from "../../../src/net/prefix.ts";
import { warning } from "../../../src/net/warning.ts";

const content = (path: string, text: string): [string, FileContent] => [
  path,
  readContent(text, { path, topologyLabel: "zone", last: undefined }),
];

function build(
  manifests: [string, FileContent][],
  options: { statuses?: Record<string, Strings>; last?: Assembled } = {},
): Assembled {
  const statuses = options.statuses ?? {};
  const files: Files = {
    manifests: manifests.toSorted(([a], [b]) => a < b ? -1 : 1),
    statusOf: (name) => statuses[name],
    problems: [],
  };
  return assemble(files, { hostname: "n", topologyLabel: "zone", last: options.last ?? NOTHING });
}

const node = (name: string, annotations: Strings = {}) =>
  JSON.stringify({ kind: "Node", metadata: { name, annotations } });

Deno.test("assemble() takes the first file by name for a name given twice, with a warning", () => {
  const cluster = build([
    content("/d/b.yaml", node("n", { "kilo.squat.ai/location": "b" })),
    content("/d/a.yaml", `${node("n", { "kilo.squat.ai/location": "a" })}\n---\n${node("n")}`),
  ]);
  assert.equal(cluster.nodes.get("n")?.location, "a");
  assert.deepEqual(cluster.problems.map(({ text }) => text), [
    '/d/a.yaml: Node "n" stands there before already; ignored here',
    '/d/b.yaml: Node "n" is in /d/a.yaml already; ignored here',
  ]);
});

Deno.test("assemble() keeps the name of an invalid Peer from a later file", () => {
  const good = {
    allowedIPs: ["10.0.0.1/32"],
    publicKey: "9GzWJHTLWNSIRIQ3BIEYCmMPBoJOBjDhr4GNMdGpYAE=",
  };
  const peer = (spec: unknown) => JSON.stringify({ kind: "Peer", metadata: { name: "p" }, spec });
  const files = [content("/d/a.yaml", peer({})), content("/d/b.yaml", peer(good))];
  assert.equal(build(files).peers.size, 0);
  assert.equal(build(files.slice(1)).peers.size, 1);
});

Deno.test("assemble() lays the status over a Node, except what a person may set", () => {
  const status = {
    "kilo.squat.ai/endpoint": "203.0.113.1:51820",
    "kilo.squat.ai/internal-ip": "10.0.0.1/24",
    "kilo.squat.ai/last-seen": "7",
    "kilo.squat.ai/location": "not the agent's business",
  };
  const plain = build([content("/d/a.yaml", node("n"))], { statuses: { n: status } });
  const { endpoint, internalIP, lastSeen, location } = plain.nodes.get("n")!;
  assert.deepEqual([formatEndpoint(endpoint!), formatPrefix(internalIP!), lastSeen, location], [
    "203.0.113.1:51820",
    "10.0.0.1/24",
    7,
    "",
  ]);
  const person = { "kilo.squat.ai/endpoint": "vpn.example:1", "kilo.squat.ai/internal-ip": "bad" };
  const mixed = build([content("/d/a.yaml", node("n", person))], { statuses: { n: status } });
  assert.equal(formatEndpoint(mixed.nodes.get("n")!.endpoint!), "vpn.example:1");
  assert.equal(formatPrefix(mixed.nodes.get("n")!.internalIP!), "10.0.0.1/24");
  assert.deepEqual(mixed.own, {
    "kilo.squat.ai/endpoint": "vpn.example:1",
    "kilo.squat.ai/internal-ip": "10.0.0.1/24",
    "kilo.squat.ai/last-seen": "7",
  });
});

Deno.test("assemble() has own annotations only where the own Node is", () => {
  assert.equal(build([content("/d/a.yaml", node("other"))]).own, undefined);
  assert.deepEqual(build([content("/d/a.yaml", node("n"))]).own, {});
});

Deno.test("changeOf() names what is new, different and gone, and nothing else", () => {
  const before = build([
    content("/d/a.yaml", `${node("n")}\n---\n${node("gone")}\n---\n${node("same")}`),
  ]);
  const after = build(
    [content("/d/a.yaml", `${node("n", { "kilo.squat.ai/leader": "" })}\n---\n${node("same")}`)],
    { last: before },
  );
  assert.deepEqual(changeOf(before, after, "n"), { nodes: ["n", "gone"], peers: [] });
  const again = build(
    [content("/d/a.yaml", `${node("n", { "kilo.squat.ai/leader": "" })}\n---\n${node("same")}`)],
    { last: after },
  );
  assert.equal(changeOf(after, again, "n"), undefined);
});

Deno.test("changeOf() notices a check-in and problems", () => {
  const files = [content("/d/a.yaml", node("n"))];
  const before = build(files);
  const after = build(files, { last: before, statuses: { n: { "kilo.squat.ai/last-seen": "7" } } });
  assert.deepEqual(changeOf(before, after, "n"), { nodes: ["n"], peers: [] });
  const troubled = build([...files, content("/d/b.yaml", "kind: Pod")], { last: before });
  assert.deepEqual(
    changeOf(before, { ...troubled, problems: [warning("backend", "x", "x")] }, "n"),
    {
      nodes: [],
      peers: [],
    },
  );
});
