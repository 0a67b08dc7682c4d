/** Runs `kgctl` in this process, on a directory that holds these objects. */

import { execute } from "../../src/cli/command.ts";
import { KGCTL } from "../../src/cli/commands.ts";

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export async function runKgctl(
  objects: readonly unknown[],
  args: readonly string[],
): Promise<Ran> {
  const directory = await Deno.makeTempDir({ prefix: "kg-kgctl-" });
  try {
    const list = { kind: "List", items: objects };
    await Deno.writeTextFile(`${directory}/objects.json`, JSON.stringify(list));
    let stdout = "", stderr = "";
    const line = [...args, "--backend=file", `--backend-path=${directory}`];
    const code = await execute(KGCTL, line, {
      out: (text) => stdout += `${text}\n`,
      error: (text) => stderr += `${text}\n`,
    });
    return { code, stdout, stderr };
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}
