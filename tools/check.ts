/** `./denow task check`: format, lint, types, and the rules of the house. */

import { longFiles, type Source, undeclaredPackages, wrongArrows } from "./house.ts";
import { CHILD_ENV, main, Refusal, step } from "./terminal.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const FOLDERS = ["src", "tests", "tools"];

/** A check that was made; without a problem it passed. */
export interface Checked {
  readonly name: string;
  readonly problem?: string;
}

/** Makes all checks, each told on the terminal. */
export async function check(): Promise<Checked[]> {
  const sources = FOLDERS.flatMap((folder) => [...readSources(folder)]);
  const { imports } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
  const checks: Record<string, () => Promise<string> | string> = {
    "format": () => deno(["fmt", "--check", "deno.json", ...FOLDERS]),
    "lint": () => deno(["lint", "--quiet", ...FOLDERS]),
    "types": () => deno(["check", "--quiet", "--frozen", ...FOLDERS]),
    "import arrows": () => wrongArrows(sources).join("\n"),
    "packages": () => undeclaredPackages(sources, imports).join("\n"),
    "length of files": () => longFiles(sources).join("\n"),
  };
  const results: Checked[] = [];
  for (const [name, run] of Object.entries(checks)) {
    results.push(
      await step(name, async () => {
        const problem = await run();
        if (problem) throw new Refusal(problem);
        return { name };
      }).catch((error) => {
        if (!(error instanceof Refusal)) throw error;
        console.error(error.message);
        return { name, problem: error.message };
      }),
    );
  }
  return results;
}

/** Every TypeScript file under a folder of the repository. */
export function* readSources(folder: string): Generator<Source> {
  const entries = [...Deno.readDirSync(ROOT + folder)];
  for (const { name, isDirectory } of entries.sort((a, b) => a.name < b.name ? -1 : 1)) {
    const path = `${folder}/${name}`;
    if (isDirectory) yield* readSources(path);
    else if (name.endsWith(".ts")) yield { path, text: Deno.readTextFileSync(ROOT + path) };
  }
}

/** What a Deno command complains of; empty if of nothing. */
async function deno(args: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: ROOT,
    env: CHILD_ENV,
  }).output();
  if (success) return "";
  const decoder = new TextDecoder();
  return `${decoder.decode(stdout)}${decoder.decode(stderr)}`.trim();
}

if (import.meta.main) {
  await main(async () => (await check()).some(({ problem }) => problem) ? 1 : 0);
}
