/** As much of a 64-bit little-endian ELF file as the packer reads and changes (elf(5)). */

import { Refusal } from "../terminal.ts";

export const PT_LOAD = 1, PT_DYNAMIC = 2, PT_INTERP = 3, PT_PHDR = 6;
export const PF_X = 1, PF_W = 2, PF_R = 4;
export const DT_NEEDED = 1n, DT_STRTAB = 5n, DT_VERNEED = 0x6ffffffen, DT_VERNEEDNUM = 0x6fffffffn;

/** Values of `e_machine`. */
export const EM_X86_64 = 62, EM_AARCH64 = 183;

/** Size of an `Elf64_Phdr`. */
export const PHDR_SIZE = 56;

/** `Elf64_Phdr`; addresses and sizes in bytes. */
export interface Segment {
  type: number;
  flags: number;
  offset: number;
  vaddr: number;
  filesz: number;
  memsz: number;
  align: number;
}

/** One word in the file: its value, and how to replace it. */
export interface Field {
  readonly value: number;
  set(value: number): void;
}

/** A view of a file's bytes; changes go into those bytes. */
export class Elf {
  readonly view: DataView;

  constructor(readonly bytes: Uint8Array<ArrayBuffer>) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    if (this.view.getUint32(0) !== 0x7f454c46 || bytes[4] !== 2 || bytes[5] !== 1) {
      throw new Refusal("not a 64-bit little-endian ELF file");
    }
  }

  /** `e_machine`: {@link EM_X86_64} or {@link EM_AARCH64}. */
  get machine(): number {
    return this.view.getUint16(18, true);
  }

  get entry(): number {
    return this.#word(24);
  }

  segments(): Segment[] {
    const at = this.#word(32), count = this.view.getUint16(56, true);
    return Array.from({ length: count }, (_, n) => {
      const base = at + n * PHDR_SIZE;
      return {
        type: this.view.getUint32(base, true),
        flags: this.view.getUint32(base + 4, true),
        offset: this.#word(base + 8),
        vaddr: this.#word(base + 16),
        filesz: this.#word(base + 32),
        memsz: this.#word(base + 40),
        align: this.#word(base + 48),
      };
    });
  }

  /** Points the header at another entry and another program header table. */
  redirect(entry: number, table: { offset: number; count: number }): void {
    this.view.setBigUint64(24, BigInt(entry), true);
    this.view.setBigUint64(32, BigInt(table.offset), true);
    this.view.setUint16(56, table.count, true);
  }

  /** What the file has from this address to the end of its segment. */
  segmentAt(vaddr: number): Uint8Array<ArrayBuffer> {
    const s = this.#holder(vaddr);
    return this.bytes.slice(this.offsetOf(vaddr), s.offset + s.filesz);
  }

  /** File offset of what is mapped at this address. */
  offsetOf(vaddr: number): number {
    const s = this.#holder(vaddr);
    return s.offset + vaddr - s.vaddr;
  }

  /** The NUL-terminated text at a file offset. */
  text(offset: number): string {
    return new TextDecoder().decode(this.bytes.subarray(offset, this.bytes.indexOf(0, offset)));
  }

  /** Values of the dynamic section with this tag. */
  dynamic(tag: bigint): Field[] {
    const segment = this.segments().find((s) => s.type === PT_DYNAMIC);
    if (!segment) throw new Refusal("not dynamically linked");
    const fields: Field[] = [];
    for (let at = segment.offset; at < segment.offset + segment.filesz; at += 16) {
      if (this.view.getBigUint64(at, true) === tag) fields.push(this.#field64(at + 8));
    }
    return fields;
  }

  /** `vn_file` of every `Elf64_Verneed`: string table offsets of the files that versions come from. */
  versionNeeds(): Field[] {
    const count = this.dynamic(DT_VERNEEDNUM)[0]?.value ?? 0;
    const fields: Field[] = [];
    let at = count ? this.offsetOf(this.dynamic(DT_VERNEED)[0]!.value) : 0;
    for (let n = 0; n < count; n++) {
      fields.push(this.#field32(at + 4));
      at += this.view.getUint32(at + 12, true);
    }
    return fields;
  }

  #holder(vaddr: number): Segment {
    const found = this.segments().find((s) =>
      s.type === PT_LOAD && vaddr >= s.vaddr && vaddr < s.vaddr + s.filesz
    );
    if (!found) throw new Refusal(`no segment holds address 0x${vaddr.toString(16)}`);
    return found;
  }

  #word(at: number): number {
    return Number(this.view.getBigUint64(at, true));
  }

  #field64(at: number): Field {
    return { value: this.#word(at), set: (v) => this.view.setBigUint64(at, BigInt(v), true) };
  }

  #field32(at: number): Field {
    return {
      value: this.view.getUint32(at, true),
      set: (v) => this.view.setUint32(at, v, true),
    };
  }
}

/** The bytes of a program header table. */
export function encodeSegments(segments: readonly Segment[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(segments.length * PHDR_SIZE);
  const view = new DataView(bytes.buffer);
  segments.forEach((s, n) => {
    const at = n * PHDR_SIZE;
    view.setUint32(at, s.type, true);
    view.setUint32(at + 4, s.flags, true);
    [s.offset, s.vaddr, s.vaddr, s.filesz, s.memsz, s.align].forEach((value, field) =>
      view.setBigUint64(at + 8 + field * 8, BigInt(value), true)
    );
  });
  return bytes;
}
