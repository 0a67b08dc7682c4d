import assert from "node:assert/strict";
import fc from "fast-check";
import { overlaps, type Prefix } from "../../src/net/prefix.ts";
import { PrefixSet } from "../../src/net/prefix_set.ts";

/** Few addresses, so that they meet: the same byte at either end of both families. */
const prefix: fc.Arbitrary<Prefix> = fc
  .record({ six: fc.boolean(), value: fc.nat(255), high: fc.boolean(), bits: fc.nat(32) })
  .map(({ six, value, high, bits }) => {
    const shift = high ? (six ? 120n : 24n) : 0n;
    const family = six ? 6 : 4;
    return { ip: { family, value: BigInt(value) << shift }, bits: six ? bits * 4 : bits };
  });

Deno.test("PrefixSet finds an overlap exactly when one of its networks has one", () => {
  const property = fc.property(
    fc.array(prefix, { maxLength: 12 }),
    fc.array(prefix, { maxLength: 12 }),
    prefix,
    (first, later, asked) => {
      const set = new PrefixSet(first);
      for (const prefix of later) set.add(prefix);
      const found = set.overlapping(asked);
      assert.equal(found !== undefined, [...first, ...later].some((each) => overlaps(each, asked)));
      if (found) assert.ok(overlaps(found, asked));
    },
  );
  fc.assert(property, { numRuns: 2000 });
});
