/**
 * Netlink attributes (struct nlattr, include/uapi/linux/netlink.h): u16 length with this header,
 * u16 type, payload, padding to 4 bytes. Layouts are tables; one reader and one writer serve all.
 */

import { bytes, type Codec, copy, LITTLE_ENDIAN, string, type ValueOf } from "./codec.ts";
import { MalformedError, UnencodableError } from "./error.ts";
import { align, type Writer } from "./writer.ts";

const HEADER = 4; // NLA_HDRLEN
const MAX_LENGTH = 0xffff;
const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;

/** Kernel header name → [number, codec]. */
export type Rows = Readonly<Record<string, readonly [number: number, codec: Codec<unknown>]>>;

/** A row by itself, as reading and writing want it. */
interface Row<T = unknown> {
  readonly name: string;
  readonly number: number;
  readonly codec: Codec<T>;
}

/** What may stand in a message or nest. Make one with {@link table}. */
export interface Table<R extends Rows = Rows> {
  readonly rows: R;
  readonly byName: ReadonlyMap<string, Row>;
  readonly byNumber: ReadonlyMap<number, Row>;
}

/** The values of a table's attributes, by their kernel names. */
export type Attributes<T extends Table> = T extends Table<infer R>
  ? { readonly [K in keyof R]?: ValueOf<R[K][1]> | undefined }
  : never;

/**
 * Declares a table:
 * `table({ IFA_ADDRESS: [1, ip], IFA_LOCAL: [2, ip], IFA_LABEL: [3, string] })`.
 */
export function table<const R extends Rows>(rows: R): Table<R> {
  const all: Row[] = Object.entries(rows).map(([name, [number, codec]]) => ({
    name,
    number,
    codec,
  }));
  const byName = new Map(all.map((row) => [row.name, row]));
  const byNumber = new Map(all.map((row) => [row.number, row]));
  if (byNumber.size !== byName.size) throw new TypeError("two rows, one number");
  return { rows, byName, byNumber };
}

/**
 * Reads attributes from `start` to `end`. Unknown ones are skipped; of repeated ones the last
 * counts, as in the kernel. Throws a MalformedError that names the attribute at fault.
 */
export function readAttributes<T extends Table>(
  table: T,
  view: DataView,
  range: { readonly start: number; readonly end: number } = { start: 0, end: view.byteLength },
): Attributes<T> {
  const values: Record<string, unknown> = {};
  for (let at = range.start; at < range.end;) {
    const length = attributeLength(view, at, range.end);
    const row = table.byNumber.get(attributeType(view, at));
    if (row) values[row.name] = readValue(row, view, at + HEADER, at + length);
    at += align(length);
  }
  return values as Attributes<T>;
}

/** Appends attributes in the order of the values' keys; undefined ones are left out. */
export function writeAttributes<T extends Table>(
  out: Writer,
  table: T,
  values: Attributes<T>,
): void {
  const given = values as Readonly<Record<string, unknown>>;
  for (const name in given) {
    const value = given[name];
    if (value === undefined) continue;
    const row = table.byName.get(name);
    if (!row) throw new UnencodableError(`${name} is not in this table`);
    writeAttribute(out, row, value);
  }
}

/**
 * Where the payload of the first attribute of this number lies; undefined if there is none. For those
 * who read one value of very many messages.
 */
export function findAttribute(
  view: DataView,
  number: number,
  range: { readonly start: number; readonly end: number },
): { readonly start: number; readonly end: number } | undefined {
  for (let at = range.start; at < range.end;) {
    const length = attributeLength(view, at, range.end);
    if (attributeType(view, at) === number) return { start: at + HEADER, end: at + length };
    at += align(length);
  }
  return undefined;
}

/** Attributes inside an attribute. */
export function nested<T extends Table>(table: T): Codec<Attributes<T>> {
  return {
    nested: true,
    read: (view, start, end) => readAttributes(table, view, { start, end }),
    write: (out, value) => writeAttributes(out, table, value),
  };
}

/**
 * An array: each element is an attribute of its own. Elements are written with the given number
 * (`NFTA_LIST_ELEM` is 1; many families take 0) and read whatever theirs is.
 */
export function list<T>(element: Codec<T>, number = 0): Codec<readonly T[]> {
  const row: Row<T> = { name: "list element", number, codec: element };
  return {
    nested: true,
    read(view, start, end) {
      const values: T[] = [];
      for (let at = start; at < end;) {
        const length = attributeLength(view, at, end);
        const row = { name: `[${values.length}]`, codec: element };
        values.push(readValue(row, view, at + HEADER, at + length));
        at += align(length);
      }
      return values;
    },
    write(out, values) {
      for (const value of values) writeAttribute(out, row, value);
    },
  };
}

/** A nest of this name, whose payload has the layout of that name. */
export type Kind<N, C> = { readonly kind: N; readonly data?: ValueOf<C> | undefined };

/** One of them; one of a name unknown to us keeps its bytes. */
export type Kinded<K extends Readonly<Record<string, Codec<unknown>>>> =
  | { [N in keyof K]: Kind<N, K[N]> }[keyof K]
  | { readonly kind: undefined; readonly name: string; readonly data?: Uint8Array | undefined };

/**
 * A nest of a name and of data whose layout the name decides, such as `IFLA_LINKINFO` and the
 * expressions of nf_tables: `kinded({ name: ["NFTA_EXPR_NAME", 1], data: ["NFTA_EXPR_DATA", 2] },
 * { payload: nested(PAYLOAD) })`.
 */
export function kinded<const K extends Readonly<Record<string, Codec<unknown>>>>(
  rows: { readonly name: readonly [string, number]; readonly data: readonly [string, number] },
  kinds: K,
): Codec<Kinded<K>> {
  const [nameName, nameNumber] = rows.name;
  const [dataName, dataNumber] = rows.data;
  const outer = table({ name: [nameNumber, string], data: [dataNumber, unread] });
  const known = new Map(Object.entries(kinds));
  return {
    nested: true,
    read(view, start, end) {
      const { name, data } = readAttributes(outer, view, { start, end });
      if (name === undefined) throw new MalformedError(`${nameName} is missing`);
      const codec = known.get(name);
      const value = data &&
        readValue({ name: dataName, codec: codec ?? bytes }, data, 0, data.byteLength);
      return (codec
        ? { kind: name, data: value }
        : { kind: undefined, name, data: value }) as Kinded<K>;
    },
    write(out, value) {
      const { kind, data } = value as { kind: string | undefined; data?: unknown };
      const name = kind ?? (value as { name: string }).name;
      const codec = kind === undefined ? bytes : known.get(kind);
      if (!codec) throw new UnencodableError(`${name} is not a known kind`);
      writeAttribute(out, { name: nameName, number: nameNumber, codec: string }, name);
      if (data === undefined) return;
      writeAttribute(out, { name: dataName, number: dataNumber, codec }, data);
    },
  };
}

/** For what can be read only when something else is known. */
const unread: Codec<DataView> = {
  read: (view, start, end) => new DataView(view.buffer, view.byteOffset + start, end - start),
  write: (out, value) => bytes.write(out, copy(value, 0, value.byteLength)),
};

/** The length of the attribute at this place, its header included; it lies before `end`. */
function attributeLength(view: DataView, at: number, end: number): number {
  if (end - at < HEADER) throw new MalformedError(`${end - at} bytes left over after attributes`);
  const length = view.getUint16(at, LITTLE_ENDIAN);
  if (length < HEADER || length > end - at) {
    throw new MalformedError(`an attribute of ${length} bytes where ${end - at} are left`);
  }
  return length;
}

function attributeType(view: DataView, at: number): number {
  return view.getUint16(at + 2, LITTLE_ENDIAN) & NLA_TYPE_MASK;
}

function readValue<T>(
  row: Pick<Row<T>, "name" | "codec">,
  view: DataView,
  start: number,
  end: number,
): T {
  try {
    return row.codec.read(view, start, end);
  } catch (error) {
    throw error instanceof MalformedError ? error.inside(row.name) : error;
  }
}

function writeAttribute<T>(out: Writer, row: Row<T>, value: T): void {
  const start = out.reserve(HEADER);
  row.codec.write(out, value);
  const length = out.length - start;
  if (length > MAX_LENGTH) {
    throw new UnencodableError(`${row.name} of ${length} bytes: an attribute has at most 65535`);
  }
  out.view.setUint16(start, length, LITTLE_ENDIAN);
  const nested = row.codec.nested ? NLA_F_NESTED : 0;
  out.view.setUint16(start + 2, row.number | nested, LITTLE_ENDIAN);
  out.align();
}
