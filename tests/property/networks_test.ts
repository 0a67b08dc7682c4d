/** What finds addresses and networks among many, against going through all of them. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { AddressMap } from "../../src/net/address_map.ts";
import { compareIP, equalIP, type IP } from "../../src/net/ip.ts";
import { contains, formatPrefix, network, overlaps, type Prefix } from "../../src/net/prefix.ts";
import { PrefixMap } from "../../src/net/prefix_map.ts";
import { without } from "../../src/net/without.ts";

/** Few addresses, so that they meet, in both families. */
const ip: fc.Arbitrary<IP> = fc.record({
  six: fc.boolean(),
  value: fc.nat(255),
  high: fc.boolean(),
})
  .map(({ six, value, high }) => ({
    family: six ? 6 : 4,
    value: BigInt(value) << (high ? (six ? 120n : 24n) : 0n),
  }));

const prefix: fc.Arbitrary<Prefix> = fc.record({ ip, bits: fc.nat(32) })
  .map(({ ip, bits }) => ({ ip, bits: ip.family === 6 ? bits * 4 : bits }));

/** The addresses of a network, each once and in order. */
function within(all: readonly IP[], asked: Prefix): readonly IP[] {
  const map = new AddressMap<IP>();
  for (const ip of all) map.add(ip, ip);
  return map.within(asked);
}

Deno.test("AddressMap finds just the addresses in a network, in order", () => {
  fc.assert(fc.property(fc.array(ip), prefix, (all, asked) => {
    const expected = all.filter((one) => contains(asked, one)).sort(compareIP)
      .filter((one, at, sorted) => at === 0 || !equalIP(one, sorted[at - 1]));
    assert.deepEqual(within(all, asked), expected);
  }));
});

Deno.test("PrefixMap finds the smallest network that covers another", () => {
  fc.assert(fc.property(fc.array(prefix, { maxLength: 12 }), prefix, (all, asked) => {
    const map = new PrefixMap<string>();
    for (const one of all) map.set(one, formatPrefix(network(one)));
    const covering = all.map(network)
      .filter((one) => one.bits <= asked.bits && contains(one, asked.ip))
      .sort((a, b) => b.bits - a.bits);
    const around = covering.filter(({ bits }) => bits < asked.bits);
    assert.equal(map.covering(asked), covering[0] && formatPrefix(covering[0]));
    assert.equal(map.around(asked), around[0] && formatPrefix(around[0]));
    const own = covering.find(({ bits }) => bits === asked.bits);
    assert.equal(map.get(asked), own && formatPrefix(own));
  }));
});

Deno.test("without() holds all addresses of a network but those, and none twice", () => {
  fc.assert(fc.property(prefix, fc.array(ip, { maxLength: 6 }), ip, (whole, others, probe) => {
    const holes = within(others, whole);
    const pieces = without(whole, holes, { limit: 1000 })!;
    const isHole = holes.some((one) => equalIP(one, probe));
    const isIn = contains(whole, probe);
    assert.equal(pieces.filter((piece) => contains(piece, probe)).length, +(isIn && !isHole));
    pieces.forEach((piece, at) => {
      assert.ok(pieces.slice(at + 1).every((other) => !overlaps(piece, other)));
    });
  }));
});
