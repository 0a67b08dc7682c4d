/** `./denow task check`: format, lint, types, and the rules of the house. */

import { run } from "./command.ts";
import { longFiles, type Source, undeclaredPackages, wrongArrows } from "./house.ts";
import { looseWork } from "./loose_work.ts";
import { main, Refusal, step } from "./terminal.ts";
import { retiredWords } from "./words.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const FOLDERS = ["src", "tests", "tools", "bench"];

/** A check that was made; without a problem it passed. */
export interface Checked {
  readonly name: string;
  readonly problem?: string;
}

/** Makes all checks, each told on the terminal. */
export async function check(): Promise<Checked[]> {
  const sources = FOLDERS.flatMap((folder) => [...readSources(folder)]);
  const { imports } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
  const checks: Record<string, () => Promise<unknown> | void> = {
    "format": () => deno(["fmt", "--check", "deno.json", ...FOLDERS]),
    "lint": () => deno(["lint", "--quiet", ...FOLDERS]),
    "types": () => deno(["check", "--quiet", "--frozen", ...FOLDERS]),
    "import arrows": () => refuse(wrongArrows(sources)),
    "packages": () => refuse(undeclaredPackages(sources, imports)),
    "background work": async () =>
      refuse(
        looseWork(sources.filter(({ path }) => path.startsWith("src/")), {
          root: ROOT,
          types: await deno(["types"]),
        }),
      ),
    "length of files": () => refuse(longFiles(sources)),
    "words": () => refuse(retiredWords(sources)),
  };
  const results: Checked[] = [];
  for (const [name, make] of Object.entries(checks)) {
    try {
      await step(name, make);
      results.push({ name });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      console.error(error.message);
      results.push({ name, problem: error.message });
    }
  }
  return results;
}

function deno(args: readonly string[]): Promise<string> {
  return run([Deno.execPath(), ...args], { cwd: ROOT });
}

function refuse(problems: readonly string[]): void {
  if (problems.length > 0) throw new Refusal(problems.join("\n"));
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

if (import.meta.main) {
  await main(async () => (await check()).some(({ problem }) => problem) ? 1 : 0);
}
