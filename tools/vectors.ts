/**
 * Compares our answers with the original agent's:
 *
 *     ./denow task vectors [FILE…]
 *
 * The kind of a file is seen from its content. A line for each case that differs, a summary at the
 * end; exits 1 if anything differs.
 */

import { checkKgctlRun, kgctlRuns } from "../tests/vectors/kgctl.ts";
import { checkObjectCase } from "../tests/vectors/objects.ts";
import { checkTopologyCase } from "../tests/vectors/topology.ts";

interface Kind {
  /** Fields by which a case of this kind is known; one of them is enough. */
  readonly fields: readonly string[];
  /** The differences; none: it passes. */
  readonly check: (value: unknown) => string[] | Promise<string[]>;
}

const KINDS: readonly Kind[] = [
  { fields: ["node", "peer"], check: checkObjectCase },
  { fields: ["input"], check: checkTopologyCase },
  { fields: ["run"], check: checkKgctlRun },
];

/** Beside this checkout there may be more than in it. */
const FOLDERS = ["../shared/vectors", "tests/vectors"];

async function main(): Promise<number> {
  const total = { passed: 0, failed: 0 };
  for (const file of Deno.args.length > 0 ? Deno.args : await defaultFiles()) {
    for (const [at, value] of (await readCases(file)).entries()) {
      const found = await differences(value);
      total[found.length === 0 ? "passed" : "failed"]++;
      if (found.length > 0) console.log(`${file}: case ${at}${label(value)}: ${found.join("; ")}`);
    }
  }
  console.log(`${total.passed} passed, ${total.failed} failed`);
  return total.failed > 0 ? 1 : 0;
}

async function differences(value: object): Promise<string[]> {
  const kind = KINDS.find(({ fields }) => fields.some((field) => field in value));
  if (!kind) return ["not a case of any known kind"];
  try {
    return await kind.check(value);
  } catch (error) {
    return [`not checked: ${error}`];
  }
}

/** Every `.json` of the first folder that is there. */
async function defaultFiles(): Promise<string[]> {
  const root = new URL("../", import.meta.url);
  for (const folder of FOLDERS) {
    const url = new URL(`${folder}/`, root);
    try {
      const names = await Array.fromAsync(Deno.readDir(url), ({ name }) => name);
      const json = names.filter((name) => name.endsWith(".json")).sort();
      if (json.length > 0) return json.map((name) => new URL(name, url).pathname);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  throw new Error(`no vectors in ${FOLDERS.join(" or ")}: name a file`);
}

/** The cases of a file; runs on one cluster become a case each. */
async function readCases(file: string): Promise<object[]> {
  const text = await Deno.readTextFile(file);
  try {
    const value = JSON.parse(text);
    const cases = Array.isArray(value) ? value : [value];
    if (cases.every((item) => typeof item === "object" && item !== null)) {
      return cases.flatMap((item) => Array.isArray(item.runs) ? kgctlRuns(item) : item);
    }
  } catch {
    // Said below.
  }
  throw new Error(`${file} is not a list of cases in JSON`);
}

/** What a person would call the case: its object's name, its command line or its seed. */
function label(value: object): string {
  const { node, peer, run, seed } = value as {
    readonly [field: string]: { metadata?: { name?: string }; args?: string[] } | undefined;
  };
  const name = node?.metadata?.name ?? peer?.metadata?.name ?? run?.args?.join(" ") ?? seed;
  return name === undefined ? "" : ` (${name})`;
}

if (import.meta.main) {
  try {
    Deno.exit(await main());
  } catch (error) {
    console.error(`vectors: ${error instanceof Error ? error.message : error}`);
    Deno.exit(1);
  }
}
