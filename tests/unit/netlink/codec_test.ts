import { deepEqual, equal, throws } from "node:assert/strict";
import fc from "fast-check";
import {
  be16,
  be32,
  be64,
  bytes,
  type Codec,
  flag,
  ip,
  s32,
  s64,
  string,
  struct,
  u16,
  u32,
  u64,
  u8,
} from "../../../src/netlink/codec.ts";
import { MalformedError, UnencodableError } from "../../../src/netlink/error.ts";
import { Writer } from "../../../src/netlink/writer.ts";
import { parseIP } from "../../../src/net/ip.ts";

function encode<T>(codec: Codec<T>, value: T): string {
  const out = new Writer();
  codec.write(out, value);
  return out.bytes().toHex();
}

function decode<T>(codec: Codec<T>, hex: string): T {
  // In the middle of a larger buffer, as in a message.
  const buffer = Uint8Array.fromHex(`ffff${hex}ffff`);
  return codec.read(new DataView(buffer.buffer, 1), 1, 1 + hex.length / 2);
}

Deno.test("integers are written in host or network order", () => {
  equal(encode(u8, 0xfe), "fe");
  equal(encode(u16, 0x1234), "3412");
  equal(encode(u32, 0x12345678), "78563412");
  equal(encode(s32, -2), "feffffff");
  equal(encode(u64, 0x123456789n), "8967452301000000");
  equal(encode(s64, -1n), "ffffffffffffffff");
  equal(encode(be16, 0x1234), "1234");
  equal(encode(be32, 0x12345678), "12345678");
  equal(encode(be64, 0x123456789n), "0000000123456789");
});

Deno.test("integers read what they write, up to their limits", () => {
  const numbers = [[u8, 0, 0xff], [u16, 0, 0xffff], [u32, 0, 0xffffffff], [be16, 0, 0xffff], [
    be32,
    0,
    0xffffffff,
  ], [s32, -0x80000000, 0x7fffffff]] as const;
  for (const [codec, min, max] of numbers) {
    for (const value of [min, 0, 1, max]) equal(decode(codec, encode(codec, value)), value);
    for (const value of [min - 1, max + 1, 0.5, NaN]) {
      throws(() => encode(codec, value), UnencodableError);
    }
  }
  const bigs = [[u64, 0n, 2n ** 64n - 1n], [be64, 0n, 2n ** 64n - 1n], [
    s64,
    -(2n ** 63n),
    2n ** 63n - 1n,
  ]] as const;
  for (const [codec, min, max] of bigs) {
    for (const value of [min, 0n, max]) equal(decode(codec, encode(codec, value)), value);
    for (const value of [min - 1n, max + 1n]) throws(() => encode(codec, value), UnencodableError);
  }
});

Deno.test("fixed codecs refuse every other length", () => {
  for (const codec of [u8, u16, u32, s32, u64, s64, be16, be32, be64]) {
    for (let length = 0; length < 12; length++) {
      if (length === codec.size) continue;
      throws(() => decode<unknown>(codec, "00".repeat(length)), MalformedError);
    }
  }
  throws(() => decode(flag, "00"), MalformedError);
  for (const length of [0, 3, 5, 15, 17]) {
    throws(() => decode(ip, "00".repeat(length)), MalformedError);
  }
});

Deno.test("string ends with NUL when written, and at a NUL or the end when read", () => {
  equal(encode(string, "br0"), "62723000");
  equal(decode(string, "627230"), "br0");
  equal(decode(string, "6272300041"), "br0");
  equal(decode(string, ""), "");
  throws(() => encode(string, "a\0b"), UnencodableError);
});

Deno.test("ip reads both families by length", () => {
  for (const text of ["10.4.0.1", "0.0.0.0", "255.255.255.255", "fd00::1", "::"]) {
    deepEqual(decode(ip, encode(ip, parseIP(text)!)), parseIP(text));
  }
});

Deno.test("bytes() gives a copy", () => {
  const buffer = Uint8Array.of(1, 2, 3);
  const read = bytes.read(new DataView(buffer.buffer), 0, 3);
  buffer.fill(9);
  deepEqual(read, Uint8Array.of(1, 2, 3));
});

Deno.test("struct() puts fields in order, zeroes what is missing, takes longer bytes", () => {
  const pair = struct({ a: u8, b: be16, c: u8 });
  equal(pair.size, 4);
  equal(encode(pair, { a: 1, b: 2, c: 3 }), "01000203");
  equal(encode<Partial<{ a: number; b: number; c: number }>>(pair, { c: 3 }), "00000003");
  deepEqual(decode(pair, "01000203ffff"), { a: 1, b: 2, c: 3 });
  throws(() => decode(pair, "010002"), MalformedError);
});

Deno.test("Writer keeps what was written while it grows, and pads with zeros", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 5000 }), { maxLength: 20 }), (parts) => {
      const out = new Writer();
      const expected: number[] = [];
      for (const part of parts) {
        out.append(part);
        out.align();
        expected.push(...part, ...new Array(-part.length & 3).fill(0));
      }
      deepEqual(out.bytes(), Uint8Array.from(expected));
    }),
  );
});
