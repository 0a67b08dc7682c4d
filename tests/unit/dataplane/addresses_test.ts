import assert from "node:assert/strict";
import { diffAddresses } from "../../../src/dataplane/addresses.ts";
import { formatPrefix, parsePrefix } from "../../../src/net/prefix.ts";

function diff(desired: string, observed: readonly string[]): string[] {
  const addresses = observed.map((text) => ({ index: 7, prefix: parsePrefix(text)! }));
  return diffAddresses({ index: 7, prefix: parsePrefix(desired)! }, addresses)
    .map(({ verb, address }) => `${verb} ${formatPrefix(address.prefix)}`);
}

Deno.test("diffAddresses() adds before it removes", () => {
  assert.deepEqual(diff("10.4.0.1/16", []), ["add 10.4.0.1/16"]);
  assert.deepEqual(diff("10.4.0.1/16", ["10.4.0.1/16"]), []);
  assert.deepEqual(diff("10.4.0.1/16", ["10.5.0.1/16", "fd00::1/64"]), [
    "add 10.4.0.1/16",
    "remove 10.5.0.1/16",
    "remove fd00::1/64",
  ]);
  assert.deepEqual(diff("10.4.0.1/16", ["10.4.0.1/16", "10.5.0.1/16"]), ["remove 10.5.0.1/16"]);
  assert.deepEqual(diff("fd00::2/64", ["fd00::1/64"]), ["add fd00::2/64", "remove fd00::1/64"]);
});

Deno.test("diffAddresses() holds an address that would go with the first of its network", () => {
  const held = (there: string) => [
    "add 10.4.0.2/32",
    `remove ${there}`,
    "add 10.4.0.2/16",
    "remove 10.4.0.2/32",
  ];
  assert.deepEqual(diff("10.4.0.2/16", ["10.4.0.1/16"]), held("10.4.0.1/16"));
  assert.deepEqual(diff("10.4.0.2/16", ["10.4.0.1/16", "10.4.0.2/16"]), held("10.4.0.1/16"));
  assert.deepEqual(diff("10.4.0.2/16", ["10.4.0.2/32", "10.4.0.1/16"]), held("10.4.0.1/16"));
});

Deno.test("diffAddresses() leaves IPv6 link-local addresses alone", () => {
  assert.deepEqual(diff("10.4.0.1/16", ["fe80::1/64", "10.4.0.1/16"]), []);
});

Deno.test("diffAddresses() replaces an address that has a peer", () => {
  const prefix = parsePrefix("10.4.0.1/16")!;
  const peer = parsePrefix("10.4.0.9/32")!.ip;
  const changes = diffAddresses({ index: 7, prefix }, [{ index: 7, prefix, peer }]);
  assert.deepEqual(changes.at(0)?.verb, "add");
  assert.ok(changes.some(({ verb, address }) => verb === "remove" && address.peer === peer));
});
