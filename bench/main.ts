/**
 * `./denow task bench`: measures kg as built, in network namespaces of its own, and what the usual
 * tools take for the same, and writes docs/performance.md.
 */

import { parseArgs } from "node:util";
import { build } from "../tools/build.ts";
import { run } from "../tools/command.ts";
import { provision, provisionLab } from "../tools/provision.ts";
import { bold, dim, duration, main, Refusal, say, table } from "../tools/terminal.ts";
import { apiServerProgram } from "../tests/k8s/program.ts";
import type { Size } from "./cluster.ts";
import { measureMesh, measureQuiet, type MeshFigures, meshOf } from "./mesh.ts";
import { measureProgram } from "./program.ts";
import { insertInto, markdown, nameOf, tables } from "./report.ts";
import { measureScale, type ScaleFigures } from "./scale.ts";
import { surroundings } from "./surroundings.ts";

const USAGE = `Usage: ./denow task bench [FLAG…] [ROW…]

Rows: peers-N and nodes-N for any N from 20 to 5000, kubernetes (1000 nodes and 500 Peers on a real
API server), and program. Without any argument all is measured, and docs/performance.md is written.

  --runs N          starts of each mesh (default 5)
  --quiet SECONDS   how long to watch a quiet agent (default 60; 0: not at all)
  --program FILE    measure this kg (default: build it)`;

const ROOT = new URL("..", import.meta.url).pathname;
const DOCUMENT = `${ROOT}docs/performance.md`;

const SIZES = [20, 100, 500, 1000, 5000];
const KINDS = ["peers", "nodes"] as const;
const OTHERS = ["kubernetes", "program"] as const;
const ALL = [...KINDS.flatMap((kind) => SIZES.map((count) => `${kind}-${count}`)), ...OTHERS];

/** Starts of `kg version`. */
const VERSIONS = 20;

interface Order {
  readonly sizes: readonly Size[];
  readonly others: ReadonlySet<string>;
  readonly runs: number;
  /** Seconds. */
  readonly quiet: number;
  /** The kg to be measured; undefined: the one that is built. */
  readonly path: string | undefined;
}

function readOrder(args: readonly string[]): Order {
  const { values, positionals } = parseFlags(args);
  const names = positionals.length > 0 ? positionals : ALL;
  const others: ReadonlySet<string> = new Set(OTHERS);
  return {
    sizes: names.filter((name) => !others.has(name)).map(readSize),
    others: others.intersection(new Set(names)),
    runs: readNumber("--runs", values.runs, 1),
    quiet: readNumber("--quiet", values.quiet, 0),
    path: values.program && Deno.realPathSync(values.program),
  };
}

function parseFlags(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        runs: { type: "string", default: "5" },
        quiet: { type: "string", default: "60" },
        program: { type: "string" },
      },
    });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new Refusal(`${error.message}\n\n${USAGE}`);
  }
}

function readSize(name: string): Size {
  const [kind, text] = name.split("-");
  const count = /^\d+$/.test(text ?? "") ? Number(text) : NaN;
  if ((kind === "peers" || kind === "nodes") && count >= 20 && count <= 5000) {
    return { kind, count };
  }
  throw new Refusal(`there is no row ${name}\n\n${USAGE}`);
}

function readNumber(flag: string, text: string, min: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= min) return value;
  throw new Refusal(`${flag}: ${text} is not a number from ${min} on`);
}

/** None where no API server can be had, which is said. */
async function scaleFigures(
  { runs, quiet }: Order,
  program: string,
): Promise<ScaleFigures | undefined> {
  const print = (progress: string) => say(`kubernetes: ${progress}`);
  try {
    await provision(["openssl", "setpriv"]);
    await apiServerProgram();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    print(`skipped: ${error.message}`);
    return undefined;
  }
  return await measureScale({ program, runs, seconds: quiet, print });
}

async function write(text: string): Promise<void> {
  const document = insertInto(await Deno.readTextFile(DOCUMENT), text);
  if (document === undefined) throw new Refusal(`${DOCUMENT} lacks the marks to write between`);
  await Deno.writeTextFile(DOCUMENT, document);
  await run([Deno.execPath(), "fmt", "--quiet", DOCUMENT]);
  say(`written to ${DOCUMENT}`);
}

await main(async () => {
  const order = readOrder(Deno.args);
  const begin = performance.now();
  await provisionLab(["strace"]);
  const program = order.path ?? await build();
  const meshes = order.sizes.map(meshOf);
  const measured: MeshFigures[] = [];
  for (const mesh of meshes) {
    const print = (progress: string) => say(`${nameOf(mesh.size)}: ${progress}`);
    measured.push(await measureMesh(mesh, { program, runs: order.runs, print }));
  }
  const isQuiet = order.quiet > 0 && meshes.length > 0;
  if (isQuiet) say(`a quiet time of ${order.quiet} s`);
  const all = tables({
    meshes: measured,
    quiet: isQuiet ? await measureQuiet(meshes, { program, seconds: order.quiet }) : [],
    scale: order.others.has("kubernetes") ? await scaleFigures(order, program) : undefined,
    program: order.others.has("program")
      ? await measureProgram(program, { times: VERSIONS })
      : undefined,
  });
  for (const { title, rows } of all) console.log(`\n${bold(title)}\n${table(rows)}`);
  const where = await surroundings(ROOT);
  console.log(`\n${dim(where)}`);
  say(`took ${duration(performance.now() - begin)}`);
  if (Deno.args.length === 0) await write(`${where}\n\n${markdown(all)}`);
});
