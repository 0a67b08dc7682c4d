/** How single values lie in messages and attributes. */

import { type IP, ipFromBytes, ipToBytes } from "../net/ip.ts";
import { MalformedError, UnencodableError } from "./error.ts";
import type { Writer } from "./writer.ts";

/** Is the machine's own byte order, in which most of netlink is written, little-endian? */
export const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** One reader and one writer of a value. */
export interface Codec<T> {
  /** Reads exactly the bytes from `start` to `end`, which lie in the view; anything else is a MalformedError. */
  read(view: DataView, start: number, end: number): T;
  /** Appends the value; an UnencodableError if it has no encoding. */
  write(out: Writer, value: T): void;
  /** Made of attributes itself (`NLA_F_NESTED`). */
  readonly nested?: boolean;
}

/** A codec whose values all have the same size, in bytes. */
export interface Fixed<T> extends Codec<T> {
  readonly size: number;
}

/** The value type of a codec. */
export type ValueOf<C> = C extends Codec<infer T> ? T : never;

type NumberGetter = "getUint8" | "getUint16" | "getUint32" | "getInt32";

function integer(
  name: string,
  get: NumberGetter,
  limits: { readonly size: number; readonly min?: number; readonly littleEndian?: boolean },
): Fixed<number> {
  const { size, min = 0, littleEndian = LITTLE_ENDIAN } = limits;
  const max = min + 2 ** (8 * size) - 1;
  const set = get.replace("get", "set") as "setUint8" | "setUint16" | "setUint32" | "setInt32";
  return {
    size,
    read(view, start, end) {
      if (end - start !== size) throw wrongLength(name, end - start);
      return view[get](start, littleEndian);
    },
    write(out, value) {
      if (!Number.isInteger(value) || value < min || value > max) throw outOfRange(name, value);
      const at = out.reserve(size);
      out.view[set](at, value, littleEndian);
    },
  };
}

function bigInteger(
  name: string,
  get: "getBigUint64" | "getBigInt64",
  littleEndian: boolean,
): Fixed<bigint> {
  const set = get.replace("get", "set") as "setBigUint64" | "setBigInt64";
  const fits = get === "getBigUint64" ? BigInt.asUintN : BigInt.asIntN;
  return {
    size: 8,
    read(view, start, end) {
      if (end - start !== 8) throw wrongLength(name, end - start);
      return view[get](start, littleEndian);
    },
    write(out, value) {
      if (fits(64, value) !== value) throw outOfRange(name, value);
      const at = out.reserve(8);
      out.view[set](at, value, littleEndian);
    },
  };
}

function wrongLength(name: string, length: number): MalformedError {
  return new MalformedError(`${length} bytes cannot be ${name}`);
}

function outOfRange(name: string, value: unknown): UnencodableError {
  return new UnencodableError(`${value} cannot be ${name}`);
}

/** Host byte order. */
export const u8 = integer("u8", "getUint8", { size: 1 });
export const u16 = integer("u16", "getUint16", { size: 2 });
export const u32 = integer("u32", "getUint32", { size: 4 });
export const s32 = integer("s32", "getInt32", { size: 4, min: -(2 ** 31) });
export const u64 = bigInteger("u64", "getBigUint64", LITTLE_ENDIAN);
export const s64 = bigInteger("s64", "getBigInt64", LITTLE_ENDIAN);

/** Network byte order. */
export const be16 = integer("be16", "getUint16", { size: 2, littleEndian: false });
export const be32 = integer("be32", "getUint32", { size: 4, littleEndian: false });
export const be64 = bigInteger("be64", "getBigUint64", false);

/** Raw bytes; what is read is a copy. */
export const bytes: Codec<Uint8Array> = {
  read: (view, start, end) => copy(view, start, end),
  write: (out, value) => out.append(value),
};

/** A copy of some bytes of a view. */
export function copy(view: DataView, start: number, end: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(view.buffer, view.byteOffset + start, end - start).slice();
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Text, written with the NUL that ends it, read with or without one. */
export const string: Codec<string> = {
  read(view, start, end) {
    const text = new Uint8Array(view.buffer, view.byteOffset + start, end - start);
    const nul = text.indexOf(0);
    return decoder.decode(nul < 0 ? text : text.subarray(0, nul));
  },
  write(out, value) {
    if (value.includes("\0")) throw outOfRange("text ended by NUL", JSON.stringify(value));
    out.append(encoder.encode(value));
    out.reserve(1);
  },
};

/** 4 or 16 bytes in network order; an IPv4-mapped address reads as the IPv4 one. */
export const ip: Codec<IP> = {
  read(view, start, end) {
    if (end - start !== 4 && end - start !== 16) throw wrongLength("an IP address", end - start);
    return ipFromBytes(new Uint8Array(view.buffer, view.byteOffset + start, end - start));
  },
  write(out, value) {
    if (value.family === 6) return out.append(ipToBytes(value));
    const at = out.reserve(4); // most are these, and routes are thousands
    out.view.setUint32(at, Number(value.value));
  },
};

/** There or not, without a value: written when true, never read as false. */
export const flag: Codec<true> = {
  read(_view, start, end) {
    if (end !== start) throw wrongLength("a flag", end - start);
    return true;
  },
  write: () => {},
};

type Fields = Readonly<Record<string, Fixed<unknown>>>;
type Struct<F extends Fields> = { readonly [K in keyof F]: ValueOf<F[K]> };

/**
 * A C struct without holes: fields in order. Reads also from longer bytes, as structs of newer
 * kernels may be; fields missing when writing are zero.
 */
export function struct<const F extends Fields>(fields: F): Fixed<Struct<F>> {
  const layout = Object.entries(fields);
  const size = layout.reduce((sum, [, field]) => sum + field.size, 0);
  return {
    size,
    read(view, start, end) {
      if (end - start < size) throw wrongLength(`a struct of ${size}`, end - start);
      const value: Record<string, unknown> = {};
      let at = start;
      for (const [name, field] of layout) value[name] = field.read(view, at, at += field.size);
      return value as Struct<F>;
    },
    write(out, value) {
      for (const [name, field] of layout) {
        const given = value[name];
        if (given === undefined) out.reserve(field.size);
        else field.write(out, given);
      }
    },
  };
}
