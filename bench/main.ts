/**
 * `./denow task bench [ROW…]`: measures kg as built, in network namespaces of its own, and what the
 * usual tools take for the same. All rows: also writes docs/performance.md.
 */

import { parseArgs } from "node:util";
import { build } from "../tools/build.ts";
import { provisionLab } from "../tools/provision.ts";
import { bold, dim, duration, main, Refusal, say, table } from "../tools/terminal.ts";
import type { Size } from "./cluster.ts";
import type { Machine } from "./machine.ts";
import {
  type Changes,
  type CheckIns,
  converged,
  measureChanges,
  measureCheckIns,
  measureQuiet,
  measureStart,
  type Mesh,
  meshOf,
  type Quiet,
  type Starts,
} from "./mesh.ts";
import { measureProgram } from "./program.ts";
import { insertInto, markdown, type MeshFigures, nameOf, tables } from "./report.ts";
import { surroundings } from "./surroundings.ts";

const USAGE = `Usage: ./denow task bench [FLAG…] [ROW…]

Rows: peers-N and nodes-N for any N from 20 to 5000, and program. Without one: all, and
docs/performance.md is written.

  --runs N          starts of each mesh (default 5)
  --quiet SECONDS   how long to watch a quiet agent (default 60; 0: not at all)
  --program FILE    measure this kg (default: build it)`;

const ROOT = new URL("..", import.meta.url).pathname;
const DOCUMENT = `${ROOT}docs/performance.md`;

const SIZES = [20, 100, 500, 1000, 5000];
const KINDS = ["peers", "nodes"] as const;
const ALL = [...KINDS.flatMap((kind) => SIZES.map((count) => `${kind}-${count}`)), "program"];

const CHANGES = 5;
const CHECK_INS = 10;
const VERSIONS = 20;
/** Seconds until agents have done all that a start brings with it. */
const SETTLE = 10;

interface Order {
  readonly sizes: readonly Size[];
  readonly program: boolean;
  readonly runs: number;
  readonly quiet: number;
  /** The kg to be measured; undefined: the one that is built. */
  readonly path: string | undefined;
  readonly complete: boolean;
}

function readOrder(args: readonly string[]): Order {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      runs: { type: "string", default: "5" },
      quiet: { type: "string", default: "60" },
      program: { type: "string" },
    },
  });
  const names = positionals.length > 0 ? positionals : ALL;
  return {
    sizes: names.filter((name) => name !== "program").map(readSize),
    program: names.includes("program"),
    runs: readNumber("--runs", values.runs, 1),
    quiet: readNumber("--quiet", values.quiet, 0),
    path: values.program,
    complete: positionals.length === 0 && values.program === undefined,
  };
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

/** What one mesh is measured for while nothing else happens. */
async function measureMesh(mesh: Mesh, program: string, runs: number): Promise<Busy> {
  const name = nameOf(mesh.size);
  const kg: Starts["kg"][number][] = [];
  const tools: Starts["tools"][number][] = [];
  for (let run = 1; run <= runs; run++) {
    say(`${name}: start ${run} of ${runs}`);
    const start = await measureStart(mesh, program);
    kg.push(start.kg);
    tools.push(start.tools);
  }
  say(`${name}: changes`);
  const { machine } = await converged(mesh, program);
  await using _machine = machine;
  const changes = await measureChanges(machine, mesh, { times: CHANGES });
  const checkIns = await measureCheckIns(machine, { times: CHECK_INS });
  return { size: mesh.size, starts: { kg, tools }, changes, checkIns };
}

interface Busy {
  readonly size: Size;
  readonly starts: Starts;
  readonly changes: Changes;
  readonly checkIns: CheckIns;
}

/** All meshes side by side. */
async function watchQuiet(
  meshes: readonly Mesh[],
  { program, seconds }: { readonly program: string; readonly seconds: number },
): Promise<Quiet[]> {
  await using stack = new AsyncDisposableStack();
  const machines: Machine[] = [];
  for (const mesh of meshes) {
    const { machine } = await converged(mesh, program);
    machines.push(stack.use(machine));
  }
  await new Promise((resolve) => setTimeout(resolve, SETTLE * 1000));
  return await measureQuiet(machines, { seconds });
}

async function write(text: string): Promise<void> {
  const document = insertInto(await Deno.readTextFile(DOCUMENT), text);
  if (document === undefined) throw new Refusal(`${DOCUMENT} lacks the marks to write between`);
  await Deno.writeTextFile(DOCUMENT, document);
  say(`written to ${DOCUMENT}`);
}

await main(async () => {
  const order = readOrder(Deno.args);
  const begin = performance.now();
  await provisionLab(["strace"]);
  const program = order.path ?? await build();
  const meshes = order.sizes.map(meshOf);
  const busy: Busy[] = [];
  for (const mesh of meshes) busy.push(await measureMesh(mesh, program, order.runs));
  if (order.quiet > 0 && meshes.length > 0) say(`a quiet time of ${order.quiet} s`);
  const quiet = order.quiet > 0 ? await watchQuiet(meshes, { program, seconds: order.quiet }) : [];
  const figures = busy.map((row, at): MeshFigures => {
    const still = quiet[at];
    return { ...row, ...still && { quiet: still } };
  });
  const own = order.program ? await measureProgram(program, { times: VERSIONS }) : undefined;
  const all = tables(figures, own);
  for (const { title, rows } of all) console.log(`\n${bold(title)}\n${table(rows)}`);
  const where = await surroundings(ROOT);
  console.log(`\n${dim(where)}`);
  say(`took ${duration(performance.now() - begin)}`);
  if (order.complete) await write(`${where}\n\n${markdown(all)}`);
});
