import assert from "node:assert/strict";
import { hostKey, parseHosts } from "../../../src/dns/hosts.ts";
import { formatIP } from "../../../src/net/ip.ts";

Deno.test("parseHosts() reads hosts(5)", () => {
  const text = "127.0.0.1\tlocalhost\r\n" +
    "10.0.0.1  Node-A node-a.example # node-b\n" +
    "# 10.0.0.9 node-a\n" +
    "fd00::1 node-a\n" +
    "fe80::1%lo0 node-a\n" +
    "nonsense node-a\n\n10.0.0.2 node-a";
  const hosts = parseHosts(text);
  const find = (name: string) => hosts.get(hostKey(name))?.map(formatIP);
  assert.deepEqual(find("node-a"), ["10.0.0.1", "fd00::1", "10.0.0.2"]);
  assert.deepEqual(find("NODE-A.example."), ["10.0.0.1"]);
  assert.deepEqual(find("localhost"), ["127.0.0.1"]);
  assert.deepEqual([find("node-b"), find("")], [undefined, undefined]);
});
