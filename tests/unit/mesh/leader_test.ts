import assert from "node:assert/strict";
import { electLeader } from "../../../src/mesh/leader.ts";
import { endpoint, ip, node } from "./cluster.ts";

const PUBLIC = { endpoint: endpoint("203.0.113.1:51820") };

Deno.test("electLeader() prefers who wants to lead, then who is public, then the first", () => {
  const name = (...nodes: Parameters<typeof electLeader>[0]) => electLeader(nodes).name;
  assert.equal(name(node(1), node(2)), "n1");
  assert.equal(name(node(1), node(2, PUBLIC), node(3, PUBLIC)), "n2");
  assert.equal(name(node(1), node(2, PUBLIC), node(3, { leader: true })), "n3");
  assert.equal(name(node(1, { leader: true }), node(2, { leader: true, ...PUBLIC })), "n2");
  assert.equal(name(node(1), node(2, { leader: true }), node(3, { leader: true })), "n2");
});

Deno.test("electLeader() takes a name for public only once its address is known", () => {
  const named = { dns: "node.example.com", port: 51820 };
  assert.equal(electLeader([node(1), node(2, { endpoint: named })]).name, "n1");
  const resolved = { ...named, ip: ip("203.0.113.1") };
  assert.equal(electLeader([node(1), node(2, { endpoint: resolved })]).name, "n2");
});
