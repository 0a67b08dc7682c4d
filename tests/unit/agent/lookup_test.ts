import assert from "node:assert/strict";
import { findInHosts, LookupError, lookupHost } from "../../../src/agent/lookup.ts";
import { formatIP } from "../../../src/net/ip.ts";

Deno.test("findInHosts() reads hosts(5)", () => {
  const text = "127.0.0.1\tlocalhost\n" +
    "10.0.0.1  Node-A node-a.example # node-b\n" +
    "# 10.0.0.9 node-a\n" +
    "fd00::1 node-a\n" +
    "fe80::1%lo0 node-a\n" +
    "nonsense node-a\n\n10.0.0.2 node-a";
  const find = (name: string) => findInHosts(text, name).map(formatIP);
  assert.deepEqual(find("node-a"), ["10.0.0.1", "fd00::1", "10.0.0.2"]);
  assert.deepEqual(find("NODE-A.example."), ["10.0.0.1"]);
  assert.deepEqual(find("node-b"), []);
  assert.deepEqual(find(""), []);
});

Deno.test("lookupHost() takes an address for itself, and a number for no name", async () => {
  assert.deepEqual((await lookupHost("::ffff:10.0.0.1")).map(formatIP), ["10.0.0.1"]);
  for (const name of ["10.0.0.01", "12345", "a.1"]) {
    await assert.rejects(lookupHost(name), LookupError, name);
  }
});

Deno.test("lookupHost() finds what this machine's hosts file has", async () => {
  assert.equal(formatIP((await lookupHost("localhost"))[0]!), "127.0.0.1");
});
