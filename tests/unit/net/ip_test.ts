import assert from "node:assert/strict";
import {
  addToIP,
  compareIP,
  equalIP,
  formatIP,
  type IP,
  ipFromBytes,
  ipToBytes,
  isPublic,
  parseIP,
} from "../../../src/net/ip.ts";

const ip = (text: string): IP => parseIP(text) ?? assert.fail(`${text} is not an address`);

// Both columns were printed by Go 1.26: net.ParseIP(left).String() is right.
const READ: Record<string, string> = {
  "0.0.0.0": "0.0.0.0",
  "255.255.255.255": "255.255.255.255",
  "10.0.0.1": "10.0.0.1",
  "::": "::",
  "::1": "::1",
  "1::": "1::",
  "FD00::ABCD": "fd00::abcd",
  "0001:0:0:2:0:0:0:3": "1:0:0:2::3",
  "1:0:0:2:3:0:0:4": "1::2:3:0:0:4",
  "1:0:2:0:3:0:4:0": "1:0:2:0:3:0:4:0",
  "1:2:3:4:5:6:7::": "1:2:3:4:5:6:7:0",
  "::2:3:4:5:6:7:8": "0:2:3:4:5:6:7:8",
  "::ffff:1.2.3.4": "1.2.3.4",
  "::ffff:a00:1": "10.0.0.1",
  "0:0:0:0:0:ffff:10.0.0.1": "10.0.0.1",
  "::1.2.3.4": "::102:304",
  "::ffff:0:1.2.3.4": "::ffff:0:102:304",
  "1:2:3:4:5:6:1.2.3.4": "1:2:3:4:5:6:102:304",
  "64:ff9b::1.2.3.4": "64:ff9b::102:304",
};

const REFUSED = [
  ..."|-|1.2.3|1.2.3.4.5|256.1.1.1|1.2.3.04|01.2.3.4|1.2.3.|.1.2.3|1.2.3.4 | 1.2.3.4|1..2.3|+1.2.3.4"
    .split("|"),
  ...["0x7f.1", "127.1", "2130706433", "1.2.3.٤", "1.2.3.4\n", "1.2.3.4/8", "a.b.c.d"],
  ...[":", ":::", "::::", ":1", "1:", "::1::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9"],
  ...["1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", ":1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:", "1:::2"],
  ...["00001::", "g::", "::-1", ":: ", " ::", "[::1]", "fe80::1%eth0", "::%", "::1\n"],
  ...["1.2.3.4::", "::1.2.3.4:5", "::1.2.3", "::1.2.3.256", "::01.2.3.4", "1:2:3:4:5:6:7:1.2.3.4"],
  ...["::1:2:3:4:5:6:1.2.3.4", "1.2.3.4:1.2.3.4", "::.1.2.3"],
];

Deno.test("parseIP() and formatIP() read and write what Go reads and writes", () => {
  for (const [text, wanted] of Object.entries(READ)) assert.equal(formatIP(ip(text)), wanted, text);
});

Deno.test("parseIP() refuses what Go refuses", () => {
  for (const text of REFUSED) assert.equal(parseIP(text), undefined, JSON.stringify(text));
});

Deno.test("ipFromBytes() reads both families and IPv4 in IPv6 as IPv4", () => {
  const mapped = Uint8Array.from([...Array<number>(10).fill(0), 255, 255, 10, 0, 0, 1]);
  assert.deepEqual(ipFromBytes(Uint8Array.of(10, 0, 0, 1)), ip("10.0.0.1"));
  assert.deepEqual(ipFromBytes(mapped), ip("10.0.0.1"));
  assert.deepEqual(ipToBytes(ip("::ffff:10.0.0.1")), Uint8Array.of(10, 0, 0, 1));
  assert.equal(ipToBytes(ip("fd00::1")).length, 16);
  for (const length of [0, 3, 5, 15, 17]) {
    assert.throws(() => ipFromBytes(new Uint8Array(length)), RangeError);
  }
});

Deno.test("compareIP() puts IPv4 first and compares numbers, not text", () => {
  const sorted = ["9.0.0.1", "10.0.0.2", "10.0.0.10", "200.0.0.1", "::1", "9::", "fd00::"].map(ip);
  assert.deepEqual(sorted.toReversed().sort(compareIP), sorted);
});

Deno.test("equalIP() compares values, and nothing equals only nothing", () => {
  assert.ok(equalIP(ip("::1"), ip("0:0::1")));
  assert.ok(equalIP(undefined, undefined));
  assert.ok(!equalIP(ip("0.0.0.1"), ip("::1")));
  assert.ok(!equalIP(ip("::1"), undefined));
  assert.ok(!equalIP(undefined, ip("::1")));
});

Deno.test("addToIP() counts over octets and stops at the ends of the family", () => {
  assert.deepEqual(addToIP(ip("10.4.0.255"), 1), ip("10.4.1.0"));
  assert.deepEqual(addToIP(ip("fd00::ffff"), 1), ip("fd00::1:0"));
  assert.equal(addToIP(ip("255.255.255.255"), 1), undefined);
  assert.equal(addToIP(ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), 1), undefined);
  assert.equal(addToIP(ip("0.0.0.0"), -1), undefined);
});

Deno.test("isPublic() knows exactly Kilo's four private networks", () => {
  const privates = ["10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.1"];
  for (const text of [...privates, "fd00::", "fd00:ffff::1"]) assert.ok(!isPublic(ip(text)), text);
  const publics = ["9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0", "192.167.0.0"];
  const odd = ["192.169.0.0", "100.64.0.1", "169.254.0.1", "fe80::1", "fc00::1", "fd01::1", "::1"];
  for (const text of [...publics, ...odd]) assert.ok(isPublic(ip(text)), text);
});
