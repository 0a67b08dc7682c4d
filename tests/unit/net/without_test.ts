import assert from "node:assert/strict";
import { formatPrefix, parsePrefix } from "../../../src/net/prefix.ts";
import { parseIP } from "../../../src/net/ip.ts";
import { without } from "../../../src/net/without.ts";

function pieces(text: string, addresses: readonly string[], limit = 200): string[] | undefined {
  return without(parsePrefix(text)!, addresses.map((ip) => parseIP(ip)!), { limit })
    ?.map(formatPrefix);
}

Deno.test("without() splits a network around its addresses", () => {
  assert.deepEqual(pieces("203.0.113.8/29", ["203.0.113.10"]), [
    "203.0.113.8/31",
    "203.0.113.11/32",
    "203.0.113.12/30",
  ]);
  assert.deepEqual(pieces("10.0.0.7/30", ["10.0.0.4", "10.0.0.7"]), [
    "10.0.0.5/32",
    "10.0.0.6/32",
  ]);
  assert.deepEqual(pieces("10.0.0.0/8", []), ["10.0.0.0/8"]);
  assert.deepEqual(pieces("10.0.0.1/32", ["10.0.0.1"]), []);
  assert.equal(pieces("fd00::/64", ["fd00::1"])!.length, 64);
});

Deno.test("without() gives up beyond its limit", () => {
  assert.equal(pieces("10.0.0.0/24", ["10.0.0.1"], 8)!.length, 8);
  assert.equal(pieces("10.0.0.0/24", ["10.0.0.1"], 7), undefined);
});
