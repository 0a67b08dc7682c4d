/** What the program itself costs: its size, and how long it takes to say its version. */

import { denort } from "../tools/denort.ts";
import { run } from "../tools/command.ts";
import type { Samples } from "./statistics.ts";

export interface ProgramFigures {
  /** Bytes. */
  readonly size: number;
  /** Milliseconds from spawn to end of `kg version`. */
  readonly version: Samples;
  /** The same of an empty Deno program, compiled into Deno's own runtime. */
  readonly empty: Samples;
}

export async function measureProgram(
  program: string,
  { times }: { readonly times: number },
): Promise<ProgramFigures> {
  const directory = await Deno.makeTempDir({ prefix: "kg-bench-" });
  try {
    const nothing = await compileNothing(directory);
    const version: number[] = [];
    const empty: number[] = [];
    await timeRun(nothing, []); // read from the disk
    await timeRun(program, ["version"]);
    for (let n = 0; n < times; n++) {
      version.push(await timeRun(program, ["version"]));
      empty.push(await timeRun(nothing, []));
    }
    return { size: (await Deno.stat(program)).size, version, empty };
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function compileNothing(directory: string): Promise<string> {
  await Deno.writeTextFile(`${directory}/empty.js`, "");
  await run([
    ...[Deno.execPath(), "compile", "--quiet", "--no-config", "--no-lock", "--no-npm"] as const,
    ...["--output", `${directory}/empty`, `${directory}/empty.js`],
  ], { env: { DENORT_BIN: Deno.env.get("DENORT_BIN") || await denort() } });
  return `${directory}/empty`;
}

async function timeRun(program: string, args: readonly string[]): Promise<number> {
  const start = performance.now();
  const { success } = await new Deno.Command(program, {
    args: [...args],
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`${program} ${args.join(" ")} failed`);
  return performance.now() - start;
}
