import { deepEqual, equal, throws } from "node:assert/strict";
import {
  type Attributes,
  kinded,
  list,
  nested,
  readAttributes,
  type Table,
  table,
  writeAttributes,
} from "../../../src/netlink/attribute.ts";
import { bytes, flag, string, u32, u8 } from "../../../src/netlink/codec.ts";
import { MalformedError, UnencodableError } from "../../../src/netlink/error.ts";
import { Writer } from "../../../src/netlink/writer.ts";

const INNER = table({ I_NUMBER: [1, u32], I_FLAG: [2, flag] });
const KIND = kinded({ name: ["K_NAME", 1], data: ["K_DATA", 2] }, {
  number: nested(INNER),
  raw: bytes,
});
const OUTER = table({
  O_BYTE: [1, u8],
  O_NAME: [2, string],
  O_NEST: [3, nested(INNER)],
  O_LIST: [4, list(nested(INNER), 1)],
  O_KIND: [5, KIND],
  O_BYTES: [6, bytes],
});

function encode<T extends Table>(table: T, values: Attributes<T>): string {
  const out = new Writer();
  writeAttributes(out, table, values);
  return out.bytes().toHex();
}

function decode(hex: string): Attributes<typeof OUTER> {
  return readAttributes(OUTER, new DataView(Uint8Array.fromHex(hex).buffer));
}

const EVERYTHING: readonly [Attributes<typeof OUTER>, string][] = [
  [{ O_BYTE: 7 }, "0500" + "0100" + "07000000"],
  [{ O_NAME: "wg" }, "0700" + "0200" + "77670000"],
  [{ O_NEST: {} }, "0400" + "0380"],
  [
    { O_NEST: { I_NUMBER: 5, I_FLAG: true } },
    "1000" + "0380" + "0800" + "0100" + "05000000" + "0400" + "0200",
  ],
  [
    { O_LIST: [{ I_NUMBER: 1 }, { I_FLAG: true }] },
    "1800" + "0480" + "0c00" + "0180" + "0800" + "0100" + "01000000" + "0800" + "0180" + "0400" +
    "0200",
  ],
  [
    { O_KIND: { kind: "number", data: { I_NUMBER: 2 } } },
    "1c00" + "0580" + "0b00" + "0100" + "6e756d6265720000" + "0c00" + "0280" + "0800" + "0100" +
    "02000000",
  ],
  [{ O_KIND: { kind: "raw", data: undefined } }, "0c00" + "0580" + "0800" + "0100" + "72617700"],
  [
    { O_KIND: { kind: undefined, name: "new", data: Uint8Array.of(1) } },
    "1400" + "0580" + "0800" + "0100" + "6e657700" + "0500" + "0200" + "01000000",
  ],
];

Deno.test("writeAttributes() and readAttributes() agree on the bytes", () => {
  for (const [values, hex] of EVERYTHING) {
    equal(encode(OUTER, values), hex);
    deepEqual(decode(hex), values);
  }
});

Deno.test("readAttributes() skips what it does not know and takes the last of repeated ones", () => {
  const unknown = "0600" + "6300" + "aabb0000";
  deepEqual(decode(unknown + "0500" + "0100" + "01000000" + unknown), { O_BYTE: 1 });
  deepEqual(decode("0500" + "0100" + "01000000" + "0500" + "0100" + "02000000"), { O_BYTE: 2 });
});

Deno.test("readAttributes() ignores the flags in an attribute's type", () => {
  deepEqual(decode("0500" + "01c0" + "01000000"), { O_BYTE: 1 });
});

Deno.test("readAttributes() takes a last attribute without padding", () => {
  deepEqual(decode("0500" + "0100" + "01"), { O_BYTE: 1 });
});

Deno.test("readAttributes() refuses lengths that lie", () => {
  const lies = [
    "0000" + "0100", // would loop for ever
    "0300" + "0100",
    "0900" + "0100" + "01000000",
    "ffff" + "0100" + "01000000",
    "0500" + "0100" + "01000000" + "0400" + "02", // half a header
    "0800" + "0380" + "0500" + "0100", // a nest whose content is longer than itself
    "0600" + "0480" + "0400", // an element without its type
    "0800" + "0580" + "0400" + "0200", // a kind without a name
  ];
  for (const lie of lies) throws(() => decode(lie), MalformedError, lie);
});

Deno.test("MalformedError names the attributes it is in", () => {
  const hex = "1000" + "0480" + "0c00" + "0180" + "0600" + "0100" + "01000000";
  throws(() => decode(hex), { message: "O_LIST.[0].I_NUMBER: 2 bytes cannot be u32" });
});

Deno.test("writeAttributes() refuses what no attribute can hold", () => {
  const fits = new Uint8Array(65535 - 4);
  equal(encode(OUTER, { O_BYTES: fits }).slice(0, 8), "ffff0600");
  throws(() => encode(OUTER, { O_BYTES: new Uint8Array(65532) }), {
    name: "UnencodableError",
    message: "O_BYTES of 65536 bytes: an attribute has at most 65535",
  });
  const many = Array.from({ length: 6000 }, () => ({ I_NUMBER: 1 }));
  throws(() => encode(OUTER, { O_LIST: many }), UnencodableError);
});

Deno.test("writeAttributes() refuses names and kinds of other tables", () => {
  throws(() => encode<Table>(OUTER, { I_NUMBER: 1 }), UnencodableError);
  throws(() => encode<Table>(OUTER, { O_KIND: { kind: "other" } }), UnencodableError);
});

Deno.test("table() refuses two rows of one number", () => {
  throws(() => table({ A: [1, u8], B: [1, u8] }), TypeError);
});

Deno.test("attributes are typed by their table", () => {
  const values: Attributes<typeof OUTER> = { O_BYTE: 1, O_KIND: { kind: "number" } };
  const byte: number | undefined = values.O_BYTE;
  equal(byte, 1);
  if (values.O_KIND?.kind === "number") {
    const number: number | undefined = values.O_KIND.data?.I_NUMBER;
    equal(number, undefined);
  }
  // @ts-expect-error a string is no byte
  throws(() => encode(OUTER, { O_BYTE: "x" }), UnencodableError);
});
