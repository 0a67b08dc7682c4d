/** What must hold of the parts for the packed program to work; a Refusal says what does not. */

import { Refusal } from "../terminal.ts";
import * as elf from "./elf.ts";

/** Since this glibc, libdl, librt and libpthread are part of libc. */
const GLIBC = { major: 2, minor: 34 };

/** The program is one that the kernel may map anywhere, as the stub counts on. */
export function checkProgram(program: elf.Elf): void {
  const types = program.segments().map((s) => s.type);
  for (const type of [elf.PT_PHDR, elf.PT_INTERP, elf.PT_DYNAMIC]) {
    if (!types.includes(type)) throw new Refusal("the program is not dynamically linked");
  }
  const first = program.segments().find((s) => s.type === elf.PT_LOAD);
  if (first?.vaddr !== 0) throw new Refusal("the program is not position independent");
}

/** ld.so and libc share private structures: both must come from one build, and be new enough. */
export function checkLoader(ldso: Uint8Array, libc: Uint8Array): void {
  const [own, other] = [ldso, libc].map(glibcVersion);
  if (own !== other) throw new Refusal(`ld.so is of glibc ${own}, libc of glibc ${other}`);
  const [major, minor] = own!.split(" ").at(-1)!.split(".").map(Number) as [number, number];
  if (major === GLIBC.major && minor >= GLIBC.minor) return;
  throw new Refusal(`glibc ${own} is too old: ${GLIBC.major}.${GLIBC.minor} or newer is needed`);
}

/** `(Debian GLIBC 2.36-9+deb12u14) 2.36`, as both files tell it. */
function glibcVersion(bytes: Uint8Array): string {
  const text = new TextDecoder("latin1").decode(bytes);
  const version = /(\([^()]+\)) [a-z]+ release version (\d+\.\d+)/.exec(text);
  if (!version) throw new Refusal("a file that should be glibc's does not tell its version");
  return `${version[1]} ${version[2]}`;
}

/**
 * The library is for this machine, and stub.c can map its read-only segments again: the ELF header
 * lies in the first, and no two segments share a page.
 */
export function checkSegments(
  library: elf.Elf,
  { name, page, machine }: {
    readonly name: string;
    /** In bytes. */
    readonly page: number;
    readonly machine: number;
  },
): void {
  if (library.machine !== machine) throw new Refusal(`${name} is for another machine`);
  const loads = library.segments().filter((s) => s.type === elf.PT_LOAD);
  let end = 0;
  for (const { vaddr, offset, memsz } of loads) {
    if (vaddr % page !== offset % page || Math.floor(vaddr / page) * page < end) {
      throw new Refusal(`segments of ${name} share pages of ${page} bytes`);
    }
    end = Math.ceil((vaddr + memsz) / page) * page;
  }
  if (loads[0]?.vaddr !== 0 || loads[0].offset !== 0) throw new Refusal(`${name} lacks its header`);
}
