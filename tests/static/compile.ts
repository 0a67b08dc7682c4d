/** Compiles {@link ./probe.ts} with the plain runtime and with the packed one. */

import { run } from "../../tools/command.ts";
import { type Architecture, denort } from "../../tools/denort.ts";
import { pack } from "../../tools/static/pack.ts";
import { compileStub } from "../../tools/static/stub.ts";
import { readSystem } from "../../tools/static/system.ts";

/** Writes the packed runtime to a file. */
export async function packDenort(architecture: Architecture, path: string): Promise<void> {
  const system = await readSystem(architecture);
  const packed = pack({
    program: await Deno.readFile(await denort(architecture)),
    stub: await compileStub(architecture),
    ldso: system.ldso,
    libraries: system.libraries,
  });
  await Deno.writeFile(path, packed);
}

/** Compiles the probe with a runtime stub. */
export async function compileProbe(
  denort: string,
  { architecture, output }: { readonly architecture: Architecture; readonly output: string },
): Promise<void> {
  await run([
    Deno.execPath(),
    ..."compile --quiet --no-config --no-lock --no-check --no-code-cache --allow-all".split(" "),
    ...["--target", `${architecture}-unknown-linux-gnu`, "--output", output],
    `${import.meta.dirname}/probe.ts`,
  ], { env: { DENORT_BIN: denort } });
}
