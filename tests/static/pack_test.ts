/** What the packer changes, and what it refuses. */

import assert from "node:assert/strict";
import { denort } from "../../tools/denort.ts";
import { DT_NEEDED, Elf, PF_W, PT_INTERP, PT_LOAD } from "../../tools/static/elf.ts";
import { pack, type Parts } from "../../tools/static/pack.ts";
import { compileStub } from "../../tools/static/stub.ts";
import { readSystem } from "../../tools/static/system.ts";

const ARCH = Deno.build.arch;
const system = await readSystem(ARCH);
const parts: Parts = {
  program: await Deno.readFile(await denort(ARCH)),
  stub: await compileStub(ARCH),
  ldso: system.ldso,
  libraries: system.libraries,
};
const libc = parts.libraries["libc.so.6"];
const packed = pack(parts);

function withLibc(bytes: Uint8Array<ArrayBuffer>): Parts {
  return { ...parts, libraries: { ...parts.libraries, "libc.so.6": bytes } };
}

/** The bytes with a text replaced by one of the same length. */
function replace(bytes: Uint8Array<ArrayBuffer>, text: string, by: string) {
  const result = bytes.slice();
  const at = new TextDecoder("latin1").decode(bytes).indexOf(text);
  assert(at >= 0 && text.length === by.length);
  result.set(new TextEncoder().encode(by), at);
  return result;
}

Deno.test("pack() changes the program in its header and in the names of libraries only", () => {
  const changed: number[] = [];
  parts.program.forEach((byte, at) => byte !== packed[at] && changed.push(at));
  const program = new Elf(parts.program);
  const words = [...program.dynamic(DT_NEEDED), ...program.versionNeeds()].length;
  assert(changed.length <= words * 8 + 18, `${changed.length} bytes`);
});

Deno.test("pack() embeds the loader and the libraries unchanged, each at a page of 64 KiB", () => {
  for (const part of [parts.stub, parts.ldso, ...Object.values(parts.libraries)]) {
    const at = Array.from({ length: packed.length / 0x10000 }, (_, page) => page * 0x10000)
      .find((at) => at >= parts.program.length && part.every((byte, n) => byte === packed[at + n]));
    assert.notEqual(at, undefined);
  }
});

Deno.test("pack() leaves no interpreter, and segments in order that do not overlap", () => {
  const segments = new Elf(packed).segments();
  assert(segments.every(({ type }) => type !== PT_INTERP));
  const loads = segments.filter(({ type }) => type === PT_LOAD);
  for (const [n, { vaddr, offset, align, flags }] of loads.entries()) {
    assert.equal(vaddr % align, offset % align);
    assert.notEqual(flags & 7, 7, "writable and executable");
    const before = loads[n - 1];
    if (before) assert(before.vaddr + before.memsz <= vaddr);
  }
  assert(loads.some(({ flags }) => flags & PF_W));
});

Deno.test("pack() refuses parts that would not run", () => {
  const version = /release version (\d+\.\d+)/.exec(new TextDecoder("latin1").decode(libc))![1]!;
  const old = "2.33".padEnd(version.length);
  const aged = (bytes: Uint8Array<ArrayBuffer>) =>
    replace(bytes, `release version ${version}`, `release version ${old}`);
  assert.throws(() => pack(withLibc(aged(libc))), /ld\.so is of glibc .*, libc of glibc/);
  assert.throws(
    () => pack({ ...withLibc(aged(libc)), ldso: aged(parts.ldso) }),
    /2\.33 is too old/,
  );
  assert.throws(() => pack({ ...parts, stub: new Uint8Array(0x10001) }), /stub is too large/);
  assert.throws(() => pack({ ...parts, program: parts.libraries["libgcc_s.so.1"] }), /not dynamic/);
  assert.throws(() => pack({ ...parts, program: parts.stub }), /not a 64-bit .* ELF file/);

  const foreign = libc.slice();
  foreign[18] = 3; // e_machine
  assert.throws(() => pack(withLibc(foreign)), /libc\.so\.6 is for another machine/);
});
