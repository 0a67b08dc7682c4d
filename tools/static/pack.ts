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

import { Refusal } from "../terminal.ts";
import { checkLoader, checkProgram, checkSegments } from "./check.ts";
import * as elf from "./elf.ts";

/** A page on every kernel: aarch64 has pages of up to 64 KiB. */
const PAGE = 0x10000;

const SONAMES = ["libc.so.6", "libm.so.6", "libgcc_s.so.1"] as const;
export type Soname = (typeof SONAMES)[number];

/** Libraries that are part of libc since glibc 2.34, empty since. */
const IN_LIBC = ["libdl.so.2", "librt.so.1", "libpthread.so.0"];

/**
 * Where ld.so finds a library; the number comes behind. The double slash makes the text differ from
 * every path that a program may give to dlopen, since ld.so takes equal texts for the same library.
 */
const FD_PATH = "/proc/self//fd/";

/** `struct config` of stub.c: eight words, then the libraries: three words and two names each. */
const HEAD_SIZE = 8 * 8, NAME_SIZE = 32, PATH_AT = 3 * 8, SONAME_AT = PATH_AT + NAME_SIZE;
const LIBRARY_SIZE = SONAME_AT + NAME_SIZE;
const CONFIG_SIZE = HEAD_SIZE + SONAMES.length * LIBRARY_SIZE;

type Bytes = Uint8Array<ArrayBuffer>;

export interface Parts {
  /** The program, dynamically linked against nothing but glibc and libgcc_s. */
  readonly program: Bytes;
  /** stub.c as flat code, see stub.ld. */
  readonly stub: Bytes;
  /** ld.so of the same glibc as libc. */
  readonly ldso: Bytes;
  readonly libraries: Readonly<Record<Soname, Bytes>>;
}

/** The packed program. Same parts, same bytes; a Refusal says which part does not fit. */
export function pack(parts: Parts): Bytes {
  const program = new elf.Elf(parts.program.slice());
  const ldso = new elf.Elf(parts.ldso);
  const page = program.machine === elf.EM_AARCH64 ? 0x10000 : 0x1000;
  checkProgram(program);
  checkLoader(parts.ldso, parts.libraries["libc.so.6"]);
  for (const soname of SONAMES) {
    checkSegments(new elf.Elf(parts.libraries[soname]), {
      name: soname,
      page,
      machine: program.machine,
    });
  }

  const own = program.segments(), loads = ldso.segments().filter((s) => s.type === elf.PT_LOAD);
  const place = placesBehind(program);
  const stub = place(parts.stub.length);
  const data = place(PAGE);
  const loader = place(Math.max(...loads.map((s) => s.vaddr + s.memsz)));
  const libraries = SONAMES.map((soname) => place(parts.libraries[soname].length));
  if (data.vaddr - stub.vaddr !== PAGE) throw new Refusal("the stub is too large"); // see stub.ld

  const load = (at: Place, flags: number, size: number): elf.Segment => (
    { type: elf.PT_LOAD, flags, ...at, filesz: size, memsz: size, align: page }
  );
  /** For the kernel. Without PT_INTERP it starts the entry itself. */
  const mapped = [
    ...own.filter((s) => s.type !== elf.PT_INTERP && s.type !== elf.PT_PHDR),
    load(stub, elf.PF_R | elf.PF_X, parts.stub.length),
    load(data, elf.PF_R | elf.PF_W, PAGE),
    ...loads.map((s) => (
      { ...s, offset: loader.offset + s.offset, vaddr: loader.vaddr + s.vaddr }
    )),
  ];
  /** For ld.so, which learns from PT_PHDR where the program lies, and wants to see a PT_INTERP. */
  const mappedAt = CONFIG_SIZE, originalAt = mappedAt + mapped.length * elf.PHDR_SIZE;
  const original = own.map((s) =>
    s.type === elf.PT_PHDR ? { ...s, vaddr: data.vaddr + originalAt } : s
  );

  renameNeeded(program, (soname) => data.vaddr + libraryAt(SONAMES.indexOf(soname)) + PATH_AT);
  program.redirect(stub.vaddr, { offset: data.offset + mappedAt, count: mapped.length });

  const { offset: size } = place(0);
  const result = new Uint8Array(size);
  result.set(program.bytes);
  result.set(parts.stub, stub.offset);
  result.set(
    encodeConfig({
      head: [
        stub.vaddr,
        page,
        new elf.Elf(parts.program).entry,
        data.vaddr + originalAt,
        original.length,
        own.find((s) => s.type === elf.PT_DYNAMIC)!.vaddr,
        loader.vaddr,
        loader.vaddr + ldso.entry,
      ],
      libraries: SONAMES.map((soname, n) => (
        { soname, offset: libraries[n]!.offset, size: parts.libraries[soname].length }
      )),
    }),
    data.offset,
  );
  result.set(elf.encodeSegments(mapped), data.offset + mappedAt);
  result.set(elf.encodeSegments(original), data.offset + originalAt);
  result.set(parts.ldso, loader.offset);
  SONAMES.forEach((soname, n) => result.set(parts.libraries[soname], libraries[n]!.offset));
  return result;
}

/** Where a part lies in the file, and where the kernel maps it. */
interface Place {
  readonly offset: number;
  readonly vaddr: number;
}

/** Hands out page-aligned places behind the program, one distance between offset and address. */
function placesBehind(program: elf.Elf): (size: number) => Place {
  const up = (value: number) => Math.ceil(value / PAGE) * PAGE;
  let offset = up(program.bytes.length);
  const distance = up(Math.max(...program.segments().map((s) => s.vaddr + s.memsz))) - offset;
  return (size) => {
    const place = { offset, vaddr: offset + distance };
    offset = up(offset + size);
    return place;
  };
}

function libraryAt(index: number): number {
  return HEAD_SIZE + index * LIBRARY_SIZE;
}

/** `struct config` of stub.c. */
function encodeConfig(
  { head, libraries }: {
    readonly head: readonly number[];
    readonly libraries: readonly { soname: string; offset: number; size: number }[];
  },
): Bytes {
  const bytes = new Uint8Array(CONFIG_SIZE);
  const view = new DataView(bytes.buffer);
  const text = new TextEncoder();
  head.forEach((word, n) => view.setBigUint64(n * 8, BigInt(word), true));
  libraries.forEach(({ soname, offset, size }, n) => {
    const at = libraryAt(n);
    view.setBigUint64(at, BigInt(offset), true);
    view.setBigUint64(at + 8, BigInt(size), true);
    bytes.set(text.encode(FD_PATH), at + PATH_AT);
    bytes.set(text.encode(soname), at + SONAME_AT);
  });
  return bytes;
}

/**
 * Points DT_NEEDED and the version needs at the stub's paths. They are offsets from DT_STRTAB, and
 * nothing says that the text must lie inside that table.
 */
function renameNeeded(program: elf.Elf, pathOf: (soname: Soname) => number): void {
  const strtab = program.dynamic(elf.DT_STRTAB)[0]!.value;
  const strings = program.offsetOf(strtab);
  for (const field of [...program.dynamic(elf.DT_NEEDED), ...program.versionNeeds()]) {
    const name = program.text(strings + field.value);
    if (name.startsWith("ld-linux-")) continue; // already loaded, found by its SONAME
    const soname = SONAMES.find((known) => known === name) ??
      (IN_LIBC.includes(name) ? "libc.so.6" : undefined);
    if (!soname) throw new Refusal(`the program needs ${name}, which is not packed`);
    field.set(pathOf(soname) - strtab);
  }
}
