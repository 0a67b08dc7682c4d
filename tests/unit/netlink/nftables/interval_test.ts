import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import { fromBoundaries, toBoundaries } from "../../../../src/netlink/nftables/interval.ts";

Deno.test("toBoundaries() puts no end behind the highest address", () => {
  deepEqual(toBoundaries([{ start: 0n, end: 1n << 32n }], 32), [{ key: 0n, end: false }]);
  deepEqual(toBoundaries([{ start: 8n, end: 12n }], 32), [
    { key: 8n, end: false },
    { key: 12n, end: true },
  ]);
});

Deno.test("fromBoundaries() overlooks the end at address 0 that nft writes", () => {
  const boundaries = [{ key: 0n, end: true }, { key: 8n, end: false }, { key: 9n, end: true }];
  deepEqual(fromBoundaries(boundaries, 32), [{ start: 8n, end: 9n }]);
});

Deno.test("fromBoundaries() keeps neighbours that touch apart", () => {
  const boundaries = [
    { key: 8n, end: false },
    { key: 10n, end: false },
    { key: 10n, end: true },
    { key: 11n, end: true },
  ];
  deepEqual(fromBoundaries(boundaries, 32), [{ start: 8n, end: 10n }, { start: 10n, end: 11n }]);
});

Deno.test("fromBoundaries() is undefined for starts and ends without a counterpart", () => {
  equal(fromBoundaries([{ key: 8n, end: true }], 32), undefined);
  equal(fromBoundaries([{ key: 8n, end: false }, { key: 9n, end: false }], 32), undefined);
});

Deno.test("fromBoundaries() undoes toBoundaries() in any order", () => {
  const keys = fc.uniqueArray(fc.bigInt(0n, 1n << 16n), { maxLength: 40 });
  fc.assert(fc.property(keys, fc.infiniteStream(fc.nat()), (keys, shuffle) => {
    const sorted = keys.sort((a, b) => Number(a - b));
    const intervals = [];
    for (let at = 0; at + 1 < sorted.length; at += 2) {
      intervals.push({ start: sorted[at]!, end: sorted[at + 1]! });
    }
    const shuffled = toBoundaries(intervals, 16)
      .map((boundary) => ({ boundary, order: shuffle.next().value! }))
      .sort((a, b) => a.order - b.order)
      .map(({ boundary }) => boundary);
    deepEqual(fromBoundaries(shuffled, 16), intervals);
  }));
});
