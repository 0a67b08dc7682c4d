/**
 * Makes a dynamically linked program carry its own dynamic loader and libraries, so that it runs
 * as the only file of a file system. The file becomes
 *
 *     program | stub code | config, two program header tables | ld.so | libc | libm | libgcc_s
 *
 * each part at a page boundary. Nothing in the parts is changed but words of the program that say
 * where to look: its ELF header (entry: the stub; program headers: a table by which the kernel maps
 * program, stub and ld.so from this one file) and the names of its needed libraries (now
 * `/proc/self//fd/N`, whose N the stub fills in). stub.c tells what happens at start.
 *
 * What is appended to the result later (Deno's own data) stays where Deno looks for it: at the end.
 */

import * as elf from "./elf.ts";

/** A page on every kernel: aarch64 has pages of up to 64 KiB. */
const PAGE = 0x10000;

/** `struct library` in stub.c: four words, then two names of this size. */
const NAME_SIZE = 32, LIBRARY_SIZE = 4 * 8 + 2 * NAME_SIZE, HEAD_SIZE = 8 * 8;

const SONAMES = ["libc.so.6", "libm.so.6", "libgcc_s.so.1"] as const;

/** Libraries that are part of libc since glibc 2.34, empty since. */
const IN_LIBC = ["libdl.so.2", "librt.so.1", "libpthread.so.0"];

const FD_PATH = "/proc/self//fd/";

type Bytes = Uint8Array<ArrayBuffer>;

export interface Parts {
  /** The program, dynamically linked against nothing but glibc and libgcc_s. */
  readonly program: Bytes;
  /** stub.c as flat code, see stub.ld. */
  readonly stub: Bytes;
  /** ld.so of the same glibc as libc. */
  readonly ldso: Bytes;
  readonly libraries: Readonly<Record<(typeof SONAMES)[number], Bytes>>;
}

/** The packed program. Same parts, same bytes. */
export function pack(parts: Parts): Bytes {
  const program = new elf.Elf(parts.program.slice());
  const ldso = new elf.Elf(parts.ldso);
  const own = program.segments();

  // Everything behind the program keeps one distance between file offset and address.
  const imageEnd = up(Math.max(...own.map((s) => s.vaddr + s.memsz)));
  const file = new Layout(up(program.bytes.length), imageEnd);
  const stub = file.place(parts.stub.length);
  const data = file.place(PAGE);
  const loader = file.place(Math.max(...ldso.segments().map((s) => s.vaddr + s.memsz)));
  const libraries = SONAMES.map((name) => file.place(parts.libraries[name].length));

  const original = own.map((s) => s.type === elf.PT_PHDR ? { ...s } : s);
  const mapped: elf.Segment[] = [
    ...own.filter((s) => s.type !== elf.PT_INTERP && s.type !== elf.PT_PHDR),
    load(stub, elf.PF_R | elf.PF_X, parts.stub.length),
    load(data, elf.PF_R | elf.PF_W, PAGE),
    ...ldso.segments().filter((s) => s.type === elf.PT_LOAD).map((s) => ({
      ...s,
      offset: loader.offset + s.offset,
      vaddr: loader.vaddr + s.vaddr,
    })),
  ];

  const configSize = HEAD_SIZE + SONAMES.length * LIBRARY_SIZE;
  const mappedAt = configSize, originalAt = mappedAt + mapped.length * elf.PHDR_SIZE;
  for (const s of original) {
    if (s.type === elf.PT_PHDR) s.vaddr = data.vaddr + originalAt;
  }

  const page = new Uint8Array(PAGE);
  page.set(
    encodeConfig({
      head: [
        stub.vaddr,
        program.machine === 183 ? PAGE : 0x1000,
        program.entry,
        data.vaddr + originalAt,
        original.length,
        own.find((s) => s.type === elf.PT_DYNAMIC)!.vaddr,
        loader.vaddr,
        loader.vaddr + ldso.entry,
      ],
      libraries: SONAMES.map((soname, n) => ({
        soname,
        offset: libraries[n]!.offset,
        size: parts.libraries[soname].length,
      })),
    }),
  );
  page.set(elf.encodeSegments(mapped), mappedAt);
  page.set(elf.encodeSegments(original), originalAt);

  renameNeeded(
    program,
    (soname) => data.vaddr + HEAD_SIZE + SONAMES.indexOf(soname) * LIBRARY_SIZE + 4 * 8,
  );
  program.redirect(stub.vaddr, { offset: data.offset + mappedAt, count: mapped.length });

  const result = new Uint8Array(file.size);
  result.set(program.bytes);
  result.set(parts.stub, stub.offset);
  result.set(page, data.offset);
  result.set(parts.ldso, loader.offset);
  SONAMES.forEach((name, n) => result.set(parts.libraries[name], libraries[n]!.offset));
  return result;
}

/** Hands out page-aligned places behind the program, in the file and in memory alike. */
class Layout {
  readonly #distance: number;
  #offset: number;

  constructor(offset: number, vaddr: number) {
    this.#offset = offset;
    this.#distance = vaddr - offset;
  }

  /** Bytes so far. */
  get size(): number {
    return this.#offset;
  }

  place(size: number): { offset: number; vaddr: number } {
    const offset = this.#offset;
    this.#offset = up(offset + size);
    return { offset, vaddr: offset + this.#distance };
  }
}

function up(value: number): number {
  return Math.ceil(value / PAGE) * PAGE;
}

function load(at: { offset: number; vaddr: number }, flags: number, size: number): elf.Segment {
  return { type: elf.PT_LOAD, flags, ...at, filesz: size, memsz: size, align: 0x1000 };
}

/** `struct config` of stub.c. */
function encodeConfig(
  config: {
    head: readonly number[];
    libraries: readonly { soname: string; offset: number; size: number }[];
  },
): Bytes {
  const bytes = new Uint8Array(HEAD_SIZE + config.libraries.length * LIBRARY_SIZE);
  const view = new DataView(bytes.buffer);
  const text = new TextEncoder();
  config.head.forEach((word, n) => view.setBigUint64(n * 8, BigInt(word), true));
  config.libraries.forEach((library, n) => {
    const at = HEAD_SIZE + n * LIBRARY_SIZE;
    view.setBigUint64(at, BigInt(library.offset), true);
    view.setBigUint64(at + 8, BigInt(library.size), true);
    view.setBigUint64(at + 16, BigInt(FD_PATH.length), true);
    bytes.set(text.encode(FD_PATH), at + 4 * 8);
    bytes.set(text.encode(library.soname), at + 4 * 8 + NAME_SIZE);
  });
  return bytes;
}

/**
 * Points DT_NEEDED and the version needs at the stub's paths. They are offsets from DT_STRTAB, and
 * nothing says that the text must lie inside that table.
 */
function renameNeeded(
  program: elf.Elf,
  pathOf: (soname: (typeof SONAMES)[number]) => number,
): void {
  const strtab = program.dynamic(elf.DT_STRTAB)[0]!.value;
  const strings = program.offsetOf(strtab);
  for (const field of [...program.dynamic(elf.DT_NEEDED), ...program.versionNeeds()]) {
    const name = program.text(strings + field.value);
    if (name.startsWith("ld-linux-")) continue; // already loaded, found by its SONAME
    const soname = SONAMES.find((known) => known === name) ??
      (IN_LIBC.includes(name) ? "libc.so.6" : undefined);
    if (!soname) throw new Error(`the program needs ${name}, which is not packed`);
    field.set(pathOf(soname) - strtab);
  }
}
