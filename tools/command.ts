/** Runs other programs for the tools. */

import { CHILD_ENV, Refusal } from "./terminal.ts";

/** What it printed to stdout; if it fails, a {@link Refusal} with all that it printed. */
export async function run(
  [program, ...args]: readonly [string, ...string[]],
  { cwd, env }: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args,
    stdin: "null",
    env: { ...CHILD_ENV, ...env },
    ...cwd !== undefined && { cwd },
  }).output();
  const [output, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  if (success) return output!;
  const name = program === Deno.execPath() ? "deno" : program;
  throw new Refusal(`${name} ${args[0] ?? ""} failed:\n${(output! + errors!).trim()}`);
}
