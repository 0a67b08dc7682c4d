/** Compiles stub.c. */

import { run } from "../command.ts";
import { type Architecture } from "../denort.ts";
import { provision } from "../provision.ts";
import { Elf } from "./elf.ts";

const HERE = import.meta.dirname!;

/** C without a library, at any address, without anything that the compiler would add by itself. */
const FLAGS = [
  ..."-O2 -Wall -Wextra -ffreestanding -fPIE -fno-stack-protector".split(" "),
  ..."-fno-tree-loop-distribute-patterns -fno-asynchronous-unwind-tables".split(" "),
  ..."-nostdlib -static -Wl,--build-id=none".split(" "),
  `-Wl,-T,${HERE}/stub.ld`,
];

const MACHINE_FLAGS: Readonly<Record<Architecture, readonly string[]>> = {
  x86_64: ["-fcf-protection=none"],
  aarch64: ["-mbranch-protection=none"],
};

/** The stub as flat code that begins with its entry. */
export async function compileStub(architecture: Architecture): Promise<Uint8Array<ArrayBuffer>> {
  const native = architecture === Deno.build.arch;
  const compiler = native ? "gcc" : `${architecture}-linux-gnu-gcc` as const;
  await provision([compiler, native ? "headers" : `${architecture}-linux-gnu-headers`]);
  const output = await Deno.makeTempFile({ prefix: "kg-stub-" });
  try {
    await run([compiler, ...FLAGS, ...MACHINE_FLAGS[architecture], "-o", output, `${HERE}/stub.c`]);
    return new Elf(await Deno.readFile(output)).segmentAt(0);
  } finally {
    await Deno.remove(output);
  }
}
