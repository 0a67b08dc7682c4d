/** DNS messages (RFC 1035 section 4): one question, and the addresses in an answer to it. */

import { type IP, ipFromBytes } from "../net/ip.ts";

export type RecordType = keyof typeof TYPES;

const TYPES = { A: 1, AAAA: 28 } as const; // RFC 1035, RFC 3596
const CNAME = 5;
const IN = 1;

const HEADER = 12;
const LONGEST_LABEL = 63;
const LONGEST_NAME = 255;
/** Compression pointers followed in one name. */
const MOST_POINTERS = 64;
/** Aliases followed from one name. */
const MOST_ALIASES = 16;

// Flags of a header.
const RESPONSE = 0x8000;
const AUTHORITATIVE = 0x0400;
const TRUNCATED = 0x0200;
const RECURSION_DESIRED = 0x0100;
const RECURSION_AVAILABLE = 0x0080;

/** RCODE 3: there is no such name. */
const NXDOMAIN = 3;

export interface Question {
  /** Random, 16 bit. */
  readonly id: number;
  /** Without a dot at the end. */
  readonly name: string;
  readonly type: RecordType;
}

export type Answer =
  /** Perhaps none: the name has no addresses of this type. */
  | { readonly kind: "addresses"; readonly ips: readonly IP[] }
  | { readonly kind: "no such name" }
  /** It did not fit: ask over TCP. */
  | { readonly kind: "truncated" }
  /** The server does not know and another one may: SERVFAIL, REFUSED, a lame delegation. */
  | { readonly kind: "failure"; readonly why: string };

/** Can this be asked for? A label has 1 to 63 bytes, a name at most 255 with its lengths. */
export function isAskable(name: string): boolean {
  return name.length + 2 <= LONGEST_NAME && /^[\x21-\x7e]+$/.test(name) &&
    name.split(".").every((label) => label.length > 0 && label.length <= LONGEST_LABEL);
}

/** The message that asks; the name must be askable. */
export function encodeQuestion({ id, name, type }: Question): Uint8Array<ArrayBuffer> {
  const encoded = encodeName(name);
  const bytes = new Uint8Array(HEADER + encoded.length + 4);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, id);
  view.setUint16(2, RECURSION_DESIRED);
  view.setUint16(4, 1); // one question
  bytes.set(encoded, HEADER);
  view.setUint16(HEADER + encoded.length, TYPES[type]);
  view.setUint16(HEADER + encoded.length + 2, IN);
  return bytes;
}

function encodeName(name: string): Uint8Array {
  const labels = name.split(".").flatMap((
    label,
  ) => [label.length, ...new TextEncoder().encode(label)]);
  return Uint8Array.from([...labels, 0]);
}

const RCODES = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];

/** Reads an answer; undefined if it is not one to this question, or cannot be understood. */
export function decodeAnswer(bytes: Uint8Array, question: Question): Answer | undefined {
  try {
    return decode(new Reader(bytes), question);
  } catch (error) {
    if (error instanceof RangeError) return undefined; // it ends too early, or points in circles
    throw error;
  }
}

function decode(reader: Reader, { id, name, type }: Question): Answer | undefined {
  if (reader.uint16() !== id) return undefined;
  const flags = reader.uint16();
  const [questions, answers, , additional] = [
    reader.uint16(),
    reader.uint16(),
    reader.uint16(),
    reader.uint16(),
  ];
  if (!(flags & RESPONSE)) return undefined;
  const rcode = flags & 0xf;
  // A server that does not understand a question need not repeat it.
  if (questions !== 1) return rcode ? failure(rcode) : undefined;
  const isOurs = reader.name() === name.toLowerCase() && reader.uint16() === TYPES[type] &&
    reader.uint16() === IN;
  if (!isOurs) return undefined;
  if (rcode === NXDOMAIN) return { kind: "no such name" };
  if (rcode !== 0) return failure(rcode);
  if (flags & TRUNCATED) return { kind: "truncated" };
  const isLame = answers + additional! === 0 && !(flags & (AUTHORITATIVE | RECURSION_AVAILABLE));
  if (isLame) return { kind: "failure", why: "lame delegation" };
  return { kind: "addresses", ips: readAddresses(reader, { name, type, count: answers! }) };
}

function failure(rcode: number): Answer {
  return { kind: "failure", why: RCODES[rcode] ?? `RCODE ${rcode}` };
}

/** The addresses of the name at the end of the aliases, in whatever order they come. */
function readAddresses(
  reader: Reader,
  { name, type, count }: {
    readonly name: string;
    readonly type: RecordType;
    readonly count: number;
  },
): IP[] {
  const aliases = new Map<string, string>();
  const addresses = new Map<string, IP[]>();
  for (let left = count; left > 0; left--) {
    const owner = reader.name();
    const recordType = reader.uint16();
    const recordClass = reader.uint16();
    reader.skip(4); // TTL: every name is asked for again each resync period
    const length = reader.uint16();
    const data = reader.sub(length);
    if (recordClass !== IN) continue;
    if (recordType === CNAME) aliases.set(owner, data.name());
    if (recordType !== TYPES[type] || length !== (type === "A" ? 4 : 16)) continue;
    addresses.set(owner, [...addresses.get(owner) ?? [], ipFromBytes(data.bytes(length))]);
  }
  let owner = name.toLowerCase();
  for (let step = 0; step < MOST_ALIASES && !addresses.has(owner); step++) {
    owner = aliases.get(owner) ?? owner;
  }
  return addresses.get(owner) ?? [];
}

/** Reads one thing after the other; a RangeError if it ends too early. */
class Reader {
  readonly #view: DataView;
  readonly #message: Uint8Array;
  readonly #end: number;
  #at: number;

  constructor(message: Uint8Array, at = 0, end = message.length) {
    this.#message = message;
    this.#view = new DataView(message.buffer, message.byteOffset, message.byteLength);
    this.#at = at;
    this.#end = end;
  }

  uint16(): number {
    return this.#view.getUint16(this.#take(2));
  }

  skip(length: number): void {
    this.#take(length);
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    const at = this.#take(length);
    return this.#message.slice(at, at + length);
  }

  /** What is in the next bytes; a name in them may point back out of them. */
  sub(length: number): Reader {
    const at = this.#take(length);
    return new Reader(this.#message, at, at + length);
  }

  /** A name in lower case, without a dot at the end. */
  name(): string {
    const labels: string[] = [];
    let pointers = 0, size = 0;
    let at = this.#at;
    for (;;) {
      const length = this.#view.getUint8(at);
      if (length >= 0xc0) { // the rest stands elsewhere
        if (pointers++ === 0) this.#at = at + 2;
        if (pointers > MOST_POINTERS) throw new RangeError("a name points in circles");
        at = this.#view.getUint16(at) & 0x3fff;
        continue;
      }
      if (length > LONGEST_LABEL) throw new RangeError("a label of a kind that nobody uses");
      if (pointers === 0) this.#at = at + 1 + length;
      if (length === 0) return labels.join(".");
      size += 1 + length;
      if (size > LONGEST_NAME || at + 1 + length > this.#message.length) {
        throw new RangeError("a name without end");
      }
      const label = this.#message.subarray(at + 1, at + 1 + length);
      labels.push(String.fromCharCode(...label).toLowerCase());
      at += 1 + length;
    }
  }

  #take(length: number): number {
    const at = this.#at;
    if (at + length > this.#end) throw new RangeError("the message ends too early");
    this.#at = at + length;
    return at;
  }
}
