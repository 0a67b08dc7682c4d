import assert from "node:assert/strict";
import { parseIP } from "../../../src/net/ip.ts";
import {
  comparePrefix,
  contains,
  equalPrefix,
  formatPrefix,
  hostPrefix,
  network,
  overlaps,
  parsePrefix,
  type Prefix,
  prefixOfIPv6,
} from "../../../src/net/prefix.ts";

const prefix = (text: string): Prefix => parsePrefix(text) ?? assert.fail(`${text} is no CIDR`);
const address = (text: string) => parseIP(text) ?? assert.fail(`${text} is not an address`);

// As Go's net.ParseCIDR, with the address kept as written: text, address and length, network.
const READ: readonly (readonly [string, string, string])[] = [
  ["10.0.0.7/24", "10.0.0.7/24", "10.0.0.0/24"],
  ["10.0.0.7/08", "10.0.0.7/8", "10.0.0.0/8"],
  ["10.0.0.7/000000000000024", "10.0.0.7/24", "10.0.0.0/24"],
  ["0.0.0.0/0", "0.0.0.0/0", "0.0.0.0/0"],
  ["255.255.255.255/1", "255.255.255.255/1", "128.0.0.0/1"],
  ["fd00::1/64", "fd00::1/64", "fd00::/64"],
  ["2001:db8::7/128", "2001:db8::7/128", "2001:db8::7/128"],
  ["::/0", "::/0", "::/0"],
  ["::ffff:10.0.0.1/120", "10.0.0.1/24", "10.0.0.0/24"],
  ["::ffff:10.0.0.1/97", "10.0.0.1/1", "0.0.0.0/1"],
  ["::ffff:0:10.0.0.1/64", "::ffff:0:a00:1/64", "::/64"],
  ["::1.2.3.4/128", "::102:304/128", "::102:304/128"],
];

const REFUSED = [
  ..."|-|/|10.0.0.1|10.0.0.1/|/24|10.0.0.1/33|10.0.0.1/-1|10.0.0.1/+8|10.0.0.1/ 24|10.0.0.1/24 "
    .split("|"),
  ...[" 10.0.0.1/24", "10.0.0.01/24", "1.2.3/24", "10.0.0.1/24/24", "10.0.0.1/255.255.255.0"],
  ...[
    "10.0.0.1/1e1",
    "10.0.0.1/0x8",
    "10.0.0.1/٨",
    "10.0.0.1/99999999999999999999",
    "10.0.0.1/8\n",
  ],
  ...["fd00::1/129", "fe80::1%eth0/64", "[fd00::1]/64", "::ffff:10.0.0.1/129"],
  ...["::ffff:10.0.0.1/96", "::ffff:10.0.0.1/64", "::ffff:10.0.0.1/0", "::ffff:a00:1/096"],
];

Deno.test("parsePrefix() keeps address and length, network() clears the host bits", () => {
  for (const [text, whole, masked] of READ) {
    assert.equal(formatPrefix(prefix(text)), whole, text);
    assert.equal(formatPrefix(network(prefix(text))), masked, text);
  }
});

Deno.test("prefixOfIPv6() keeps a network wider than that of the mapped addresses in IPv6", () => {
  const read = (text: string, bits: number) => formatPrefix(prefixOfIPv6(address(text), bits));
  assert.equal(read("::ffff:10.0.0.1", 120), "10.0.0.1/24");
  assert.equal(read("::ffff:0.0.0.0", 96), "::ffff:0:0/96");
  assert.equal(read("fd00::", 8), "fd00::/8");
});

Deno.test("parsePrefix() refuses what Go refuses", () => {
  for (const text of REFUSED) assert.equal(parsePrefix(text), undefined, JSON.stringify(text));
});

Deno.test("hostPrefix() is the address alone", () => {
  assert.equal(formatPrefix(hostPrefix(address("10.0.0.7"))), "10.0.0.7/32");
  assert.equal(formatPrefix(hostPrefix(address("fd00::7"))), "fd00::7/128");
});

Deno.test("contains() looks at the network of a prefix and never across families", () => {
  assert.ok(contains(prefix("10.0.0.7/24"), address("10.0.0.255")));
  assert.ok(!contains(prefix("10.0.0.7/24"), address("10.0.1.0")));
  assert.ok(contains(prefix("0.0.0.0/0"), address("255.0.0.1")));
  assert.ok(!contains(prefix("0.0.0.0/0"), address("::1")));
  assert.ok(contains(prefix("fd00::1/128"), address("fd00::1")));
});

Deno.test("overlaps() is true both ways, and only if an address is shared", () => {
  const both = (
    a: string,
    b: string,
  ) => [overlaps(prefix(a), prefix(b)), overlaps(prefix(b), prefix(a))];
  assert.deepEqual(both("10.0.0.0/8", "10.9.9.9/32"), [true, true]);
  assert.deepEqual(both("10.0.0.0/24", "10.0.1.0/24"), [false, false]);
  assert.deepEqual(both("10.0.0.7/24", "10.0.0.200/24"), [true, true]);
  assert.deepEqual(both("0.0.0.0/0", "::/0"), [false, false]);
});

Deno.test("equalPrefix() compares address and length as written", () => {
  assert.ok(equalPrefix(prefix("10.0.0.7/08"), prefix("10.0.0.7/8")));
  assert.ok(!equalPrefix(prefix("10.0.0.7/24"), prefix("10.0.0.0/24")));
  assert.ok(!equalPrefix(prefix("10.0.0.0/24"), prefix("10.0.0.0/25")));
  assert.ok(!equalPrefix(prefix("10.0.0.0/24"), undefined));
  assert.ok(equalPrefix(undefined, undefined));
});

Deno.test("comparePrefix() sorts by address, then the shorter prefix first", () => {
  const sorted = ["9.0.0.0/8", "10.0.0.0/8", "10.0.0.0/24", "10.0.0.1/8", "::/0", "fd00::/8"].map(
    prefix,
  );
  assert.deepEqual(sorted.toReversed().sort(comparePrefix), sorted);
});
