/** What a client sends, read through one buffer: heads of bounded size, and bodies piece by piece. */

import { HttpError } from "./message.ts";
import type { Framing } from "./request_head.ts";

/** Bytes that a head may have. */
const MAX_HEAD = 16 * 1024;

/** Bytes of a line of chunked framing, or of a trailer field. */
const MAX_LINE = 1024;

/** Lines of trailer fields, which nobody here reads. */
const MAX_TRAILERS = 32;

/** Bytes of the buffer while nothing is there, and at most. */
const SMALL = 2 * 1024;
const LARGE = 64 * 1024;

const CR = 13, LF = 10;

export class Input {
  readonly #source: Pick<Deno.Conn, "read">;
  #buffer = new Uint8Array(SMALL);
  /** What was read and not taken yet is in between. */
  #from = 0;
  #to = 0;

  constructor(source: Pick<Deno.Conn, "read">) {
    this.#source = source;
  }

  /** Waits for at least one byte; false if the client sends no more. */
  async ready(): Promise<boolean> {
    return this.#to > this.#from || await this.#fill();
  }

  /** The next head, without the empty line at its end; undefined if the client sends no whole one. */
  async head(): Promise<string | undefined> {
    for (let searched = 0;;) {
      while (this.#startsWithEmptyLine()) this.#from += 2; // RFC 9112, section 2.2
      const length = this.#indexOfEmptyLine(searched);
      if (length > MAX_HEAD || length < 0 && this.#to - this.#from >= MAX_HEAD + 4) {
        throw new HttpError(431, `the head has more than ${MAX_HEAD} bytes`);
      }
      if (length >= 0) return this.#takeText(length, 4);
      searched = Math.max(0, this.#to - this.#from - 3);
      if (!await this.#fill()) return undefined;
    }
  }

  /**
   * The body in pieces, each valid until the next one is asked for. It is consumed to its end unless
   * the caller stops. Throws an {@link HttpError} if it is malformed or breaks off.
   */
  async *body(framing: Framing): AsyncGenerator<Uint8Array> {
    if (framing !== "chunked") return yield* this.#exactly(framing.length);
    for (;;) {
      const match = /^([0-9a-fA-F]{1,8})[ \t]*(?:;.*)?$/.exec(await this.#line());
      if (!match) throw new HttpError(400, "the size of a chunk is malformed");
      const size = parseInt(match[1]!, 16);
      if (size === 0) break;
      yield* this.#exactly(size);
      if (await this.#line() !== "") throw new HttpError(400, "a chunk does not end");
    }
    for (let count = 0; await this.#line() !== ""; count++) {
      if (count === MAX_TRAILERS) throw new HttpError(431, `more than ${MAX_TRAILERS} trailers`);
    }
  }

  async *#exactly(length: number): AsyncGenerator<Uint8Array> {
    for (let left = length; left > 0;) {
      if (this.#to === this.#from) await this.#more({ capacity: LARGE });
      const piece = this.#buffer.subarray(this.#from, Math.min(this.#to, this.#from + left));
      this.#from += piece.length;
      left -= piece.length;
      yield piece;
    }
  }

  /** The next line, without its end. */
  async #line(): Promise<string> {
    for (;;) {
      const end = this.#buffer.subarray(this.#from, this.#to).indexOf(LF);
      if (end > MAX_LINE || end < 0 && this.#to - this.#from > MAX_LINE) {
        throw new HttpError(400, `a line of the body has more than ${MAX_LINE} bytes`);
      }
      if (end >= 0) {
        if (this.#buffer[this.#from + end - 1] !== CR || end === 0) {
          throw new HttpError(400, "a line of the body does not end in CR LF");
        }
        return this.#takeText(end - 1, 2);
      }
      await this.#more();
    }
  }

  #startsWithEmptyLine(): boolean {
    return this.#to - this.#from >= 2 && this.#buffer[this.#from] === CR &&
      this.#buffer[this.#from + 1] === LF;
  }

  /** How many bytes come before CR LF CR LF, or −1. */
  #indexOfEmptyLine(start: number): number {
    const bytes = this.#buffer.subarray(this.#from, this.#to);
    for (let at = bytes.indexOf(CR, start); at >= 0; at = bytes.indexOf(CR, at + 1)) {
      if (bytes[at + 1] === LF && bytes[at + 2] === CR && bytes[at + 3] === LF) return at;
    }
    return -1;
  }

  /** Takes so many bytes as text (one character each) and skips what ends them. */
  #takeText(length: number, skip: number): string {
    const text = LATIN1.decode(this.#buffer.subarray(this.#from, this.#from + length));
    this.#from += length + skip;
    return text;
  }

  async #more(options?: { readonly capacity: number }): Promise<void> {
    if (!await this.#fill(options)) throw new HttpError(400, "the body breaks off");
  }

  /** Reads once; false if there is no more. */
  async #fill({ capacity = SMALL } = {}): Promise<boolean> {
    const rest = this.#buffer.subarray(this.#from, this.#to);
    const isFull = rest.length === this.#buffer.length;
    const size = rest.length === 0 ? capacity : this.#buffer.length * (isFull ? 2 : 1);
    if (size === this.#buffer.length) {
      this.#buffer.copyWithin(0, this.#from, this.#to);
    } else {
      this.#buffer = new Uint8Array(size);
      this.#buffer.set(rest);
    }
    this.#from = 0;
    this.#to = rest.length;
    const count = await this.#source.read(this.#buffer.subarray(this.#to));
    if (count === null) return false;
    this.#to += count;
    return true;
  }
}

const LATIN1 = new TextDecoder("latin1");
