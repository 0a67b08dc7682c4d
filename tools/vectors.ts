/**
 * Compares our answers with the original agent's:
 *
 *     ./denow task vectors [FILE…]
 *
 * The kind of a file is seen from its content. A line for each case that differs, a summary at the
 * end; exits 1 if anything differs.
 */

import { checkObjectCase } from "../tests/vectors/objects.ts";
import { checkTopologyCase } from "../tests/vectors/topology.ts";

interface Kind {
  readonly name: string;
  /** Fields by which a case of this kind is known; one of them is enough. */
  readonly fields: readonly string[];
  /** The differences; none: it passes. Absent: these files are not checked yet. */
  readonly check?: (value: unknown) => string[];
}

const KINDS: readonly Kind[] = [
  { name: "objects", fields: ["node", "peer"], check: checkObjectCase },
  { name: "topology", fields: ["input"], check: checkTopologyCase },
  { name: "kgctl", fields: ["runs"] },
];

/** Beside this checkout there may be more than in it. */
const FOLDERS = ["../shared/vectors", "tests/vectors"];

async function main(): Promise<number> {
  const total = { passed: 0, failed: 0 };
  for (const file of Deno.args.length > 0 ? Deno.args : await defaultFiles()) {
    const skipped: string[] = [];
    for (const [at, value] of (await readCases(file)).entries()) {
      const kind = kindOf(value);
      if (kind && !kind.check) {
        skipped.push(kind.name);
        continue;
      }
      const found = differences(value);
      total[found.length === 0 ? "passed" : "failed"]++;
      if (found.length > 0) console.log(`${file}: case ${at}${label(value)}: ${found.join("; ")}`);
    }
    if (skipped.length > 0) {
      console.log(`${file}: skipped, ${skipped[0]} is not checked yet: ${skipped.length} cases`);
    }
  }
  console.log(`${total.passed} passed, ${total.failed} failed`);
  return total.failed > 0 ? 1 : 0;
}

function kindOf(value: object): Kind | undefined {
  return KINDS.find(({ fields }) => fields.some((field) => field in value));
}

function differences(value: object): string[] {
  try {
    return kindOf(value)?.check?.(value) ?? ["not a case of any known kind"];
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

async function readCases(file: string): Promise<object[]> {
  const text = await Deno.readTextFile(file);
  try {
    const value = JSON.parse(text);
    const cases = Array.isArray(value) ? value : [value];
    if (cases.every((item) => typeof item === "object" && item !== null)) return cases;
  } catch {
    // Said below.
  }
  throw new Error(`${file} is not a list of cases in JSON`);
}

/** What a person would call the case: its object's name or its seed. */
function label(value: object): string {
  const { node, peer, seed } = value as Record<string, { metadata?: { name?: string } }>;
  const name = node?.metadata?.name ?? peer?.metadata?.name ?? seed;
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
