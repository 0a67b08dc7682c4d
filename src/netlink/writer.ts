/** A growing buffer for any number of netlink messages. */

/** Rounds up to the 4 bytes that messages and attributes are aligned to (`NLMSG_ALIGN`, `NLA_ALIGN`). */
export function align(length: number): number {
  return length + (-length & 3);
}

/** Numbers are written in host order unless a method says otherwise. Bytes skipped over are zero. */
export class Writer {
  #bytes = new Uint8Array(4096);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** What is written from `start` to `end`; a view that the next write may leave behind. */
  bytes(start = 0, end = this.#length): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(start, end);
  }

  /** For numbers at places that {@link reserve} gave out, and to patch them later. Not valid after the next reserve. */
  get view(): DataView<ArrayBuffer> {
    return this.#view;
  }

  /** Appends zero bytes; returns where they begin. */
  reserve(size: number): number {
    const start = this.#length;
    this.#length += size;
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return start;
  }

  append(bytes: Uint8Array): void {
    const start = this.reserve(bytes.length);
    this.#bytes.set(bytes, start);
  }

  /** Pads what is written to 4 bytes. */
  align(): void {
    this.reserve(align(this.#length) - this.#length);
  }
}
