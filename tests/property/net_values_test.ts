import assert from "node:assert/strict";
import fc from "fast-check";
import { formatEndpoint, parseEndpoint } from "../../src/net/endpoint.ts";
import {
  addToIP,
  compareIP,
  equalIP,
  formatIP,
  type IP,
  ipFromBytes,
  ipToBytes,
  parseIP,
  width,
} from "../../src/net/ip.ts";
import { keyFromBytes, keyToBytes, parseKey } from "../../src/net/key.ts";
import {
  contains,
  equalPrefix,
  formatPrefix,
  network,
  overlaps,
  parsePrefix,
  type Prefix,
  prefixKey,
} from "../../src/net/prefix.ts";
import { compareText } from "../../src/net/text.ts";

/** Many zero bytes, so that `::` and IPv4 in IPv6 occur. */
const byte = fc.oneof(fc.constant(0), fc.constant(255), fc.nat(255));
const ips: fc.Arbitrary<IP> = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  fc.array(byte, { minLength: 16, maxLength: 16 }).map((bytes) => Uint8Array.from(bytes)),
).map(ipFromBytes);
const prefixes: fc.Arbitrary<Prefix> = ips.chain((ip) =>
  fc.nat(ip.family === 4 ? 32 : 128).map((bits) => ({ ip, bits }))
);

Deno.test("IP addresses survive text and bytes", () => {
  fc.assert(fc.property(ips, (ip) => {
    assert.deepEqual(parseIP(formatIP(ip)), ip);
    assert.deepEqual(parseIP(formatIP(ip).toUpperCase()), ip);
    assert.deepEqual(ipFromBytes(ipToBytes(ip)), ip);
  }));
});

Deno.test("formatIP() agrees with the URL standard about the shortest text", () => {
  fc.assert(fc.property(ips.filter((ip) => ip.family === 6), (ip) => {
    assert.equal(`[${formatIP(ip)}]`, new URL(`http://[${formatIP(ip)}]`).hostname);
  }));
});

Deno.test("IP addresses have one order", () => {
  fc.assert(fc.property(ips, ips, (a, b) => {
    assert.equal(compareIP(a, b), -compareIP(b, a) + 0);
    assert.equal(compareIP(a, b) === 0, equalIP(a, b));
    const next = addToIP(a, 1);
    if (next) assert.ok(compareIP(a, next) < 0);
  }));
});

Deno.test("prefixes survive text, and a network contains itself", () => {
  fc.assert(fc.property(prefixes, (prefix) => {
    assert.deepEqual(parsePrefix(formatPrefix(prefix)), prefix);
    assert.ok(contains(prefix, network(prefix).ip));
    assert.ok(contains(network(prefix), prefix.ip));
    assert.ok(equalPrefix(network(network(prefix)), network(prefix)));
  }));
});

Deno.test("two prefixes have one key just where they have one text", () => {
  const near = prefixes.chain((a) =>
    fc.tuple(
      fc.constant(a),
      fc.oneof(prefixes, fc.nat(width(a.ip.family)).map((bits) => ({ ...a, bits }))),
    )
  );
  fc.assert(fc.property(near, ([a, b]) => {
    assert.equal(prefixKey(a) === prefixKey(b), formatPrefix(a) === formatPrefix(b));
  }));
});

Deno.test("overlapping networks are those where one contains the other's first address", () => {
  fc.assert(fc.property(prefixes, prefixes, (a, b) => {
    const shared = contains(a, network(b).ip) || contains(b, network(a).ip);
    assert.equal(overlaps(a, b), shared);
    assert.equal(overlaps(b, a), shared);
  }));
});

Deno.test("endpoints survive text", () => {
  const name = fc.domain().filter((text) => parseIP(text) === undefined);
  const endpoints = fc.tuple(fc.oneof(ips.map(formatIP), name), fc.integer({ min: 1, max: 65535 }));
  fc.assert(fc.property(endpoints, ([host, port]) => {
    const text = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
    const endpoint = parseEndpoint(text.toLowerCase()) ?? assert.fail(text);
    assert.equal(formatEndpoint(endpoint), text.toLowerCase());
    assert.equal(endpoint.port, port);
  }));
});

Deno.test("keys survive text and bytes", () => {
  fc.assert(fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
    const key = keyFromBytes(bytes);
    assert.equal(parseKey(key), key);
    assert.deepEqual(keyToBytes(key), Uint8Array.from(bytes));
  }));
});

Deno.test("no text at all makes the readers throw", () => {
  const pieces = fc.constantFrom(...":.[]/%0f1٣ \n=-", "::", "ffff", "1.2.3.4", "65536");
  const texts = fc.oneof(
    fc.string({ unit: "grapheme" }),
    fc.array(pieces).map((all) => all.join("")),
  );
  fc.assert(fc.property(texts, (text) => {
    for (const read of [parseIP, parsePrefix, parseEndpoint, parseKey]) read(text);
  }));
});

Deno.test("compareText() is the order of UTF-8 bytes", () => {
  const unit = fc.constantFrom("a", "b", "\x7f", "é", "\ud7ff", "\ue000", "\u{fffd}", "😀", "😁");
  const text = fc.array(unit, { maxLength: 4 }).map((all) => all.join(""));
  const encoder = new TextEncoder();
  fc.assert(fc.property(text, text, (a, b) => {
    const order = compareBytes(encoder.encode(a), encoder.encode(b));
    assert.equal(Math.sign(compareText(a, b)), order);
  }));
});

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let at = 0; at < Math.min(a.length, b.length); at++) {
    if (a[at] !== b[at]) return Math.sign(a[at]! - b[at]!);
  }
  return Math.sign(a.length - b.length);
}
