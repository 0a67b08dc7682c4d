/** Random firewalls, in a corner of the address space so small that their prefixes meet. */

import fc from "fast-check";
import type { Firewall } from "../../src/net/firewall.ts";
import type { Family } from "../../src/net/ip.ts";
import type { Prefix } from "../../src/net/prefix.ts";

/** Host bits may be set. Addresses lie at both ends of the address space, or anywhere for short prefixes. */
function prefix(family: Family): fc.Arbitrary<Prefix> {
  const bits = family === 4 ? 32 : 128;
  const top = (1n << BigInt(bits)) - 1n;
  return fc.record({
    near: fc.bigInt(0n, 63n),
    fromTop: fc.boolean(),
    // Mostly long prefixes; 0 is everything.
    bits: fc.oneof(
      { weight: 20, arbitrary: fc.integer({ min: bits - 4, max: bits }) },
      { weight: 1, arbitrary: fc.constantFrom(0, 1, bits - 8) },
    ),
  }).map(({ near, fromTop, bits }) => ({
    ip: { family, value: fromTop ? top - near : near },
    bits,
  }));
}

export const prefixes: fc.Arbitrary<readonly Prefix[]> = fc.array(
  fc.oneof(prefix(4), prefix(6)),
  { maxLength: 12 },
);

export const firewalls: fc.Arbitrary<Firewall> = fc.record({
  nat: fc.record({ sources: prefixes, destinations: prefixes, keep: prefixes }),
  ipip: fc.option(fc.record({ sources: prefixes }), { nil: undefined }),
  forward: fc.option(prefixes, { nil: undefined }),
}).map(({ nat, ipip, forward }) => ({ nat, ...ipip && { ipip }, ...forward && { forward } }));
