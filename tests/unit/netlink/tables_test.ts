import { deepEqual, ok } from "node:assert/strict";
import fc from "fast-check";
import * as address from "../../../src/netlink/address.ts";
import {
  type Attributes,
  readAttributes,
  type Table,
  writeAttributes,
} from "../../../src/netlink/attribute.ts";
import * as codec from "../../../src/netlink/codec.ts";
import * as conntrack from "../../../src/netlink/conntrack.ts";
import * as genetlink from "../../../src/netlink/genetlink.ts";
import * as link from "../../../src/netlink/link.ts";
import * as message from "../../../src/netlink/message.ts";
import * as route from "../../../src/netlink/route.ts";
import * as rule from "../../../src/netlink/rule.ts";
import { Writer } from "../../../src/netlink/writer.ts";

const u8 = fc.integer({ min: 0, max: 0xff });
const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffffffff });
const text = fc.string({ unit: "grapheme" }).filter((it) => !it.includes("\0"));
const ip = fc.oneof(
  u32.map((value) => ({ family: 4, value: BigInt(value) })),
  fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }).filter((value) => value >> 32n !== 0xffffn)
    .map((value) => ({ family: 6, value })),
);

/** Values by codec, or by row for what is the codec of that one only. */
const VALUES = new Map<unknown, fc.Arbitrary<unknown>>([
  [codec.u8, u8],
  [codec.u16, u16],
  [codec.u32, u32],
  [codec.be16, u16],
  [codec.be32, u32],
  [codec.string, text],
  [codec.bytes, fc.uint8Array({ maxLength: 100 })],
  [codec.ip, ip],
  ["RTA_VIA", ip],
]);
VALUES.set("IFLA_LINKINFO", attributes(link.IFLA_INFO));
VALUES.set("CTA_TUPLE_IP", attributes(conntrack.CTA_IP));
VALUES.set("CTA_TUPLE_PROTO", attributes(conntrack.CTA_PROTO));
VALUES.set("CTA_TUPLE_ORIG", attributes(conntrack.CTA_TUPLE));
VALUES.set("CTA_TUPLE_REPLY", attributes(conntrack.CTA_TUPLE));

function attributes(table: Table): fc.Arbitrary<Attributes<Table>> {
  const rows = Object.entries(table.rows).map(([name, [, ofRow]]) => {
    const values = VALUES.get(ofRow) ?? VALUES.get(name);
    ok(values, `no values to test ${name} with`);
    return [name, values] as const;
  });
  return fc.record(Object.fromEntries(rows), { requiredKeys: [] });
}

function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && "rows" in value && "byNumber" in value;
}

for (const module of [address, conntrack, genetlink, link, message, route, rule]) {
  for (const [name, table] of Object.entries(module)) {
    if (!isTable(table)) continue;
    Deno.test(`every attribute of ${name} reads back as it was written`, () => {
      fc.assert(fc.property(attributes(table), (values) => {
        const out = new Writer();
        writeAttributes(out, table, values);
        const written = out.bytes();
        const view = new DataView(written.buffer, written.byteOffset, written.length);
        deepEqual({ ...readAttributes(table, view) }, { ...values });
      }));
    });
  }
}
