/**
 * `./denow task test [PART…]`: all tests, or those of some parts. Whatever happens, a test that did
 * not pass is counted as failed, and nothing is tried twice. The last line is `N passed, N failed`.
 */

import { apiServerProgram } from "../tests/k8s/program.ts";
import { build } from "./build.ts";
import { check } from "./check.ts";
import { isRoot, type PartName, provision, provisionLab } from "./provision.ts";
import { type Outcome, readOutcome } from "./outcome.ts";
import {
  bold,
  CHILD_ENV,
  dim,
  duration,
  green,
  main,
  red,
  Refusal,
  say,
  yellow,
} from "./terminal.ts";

const ROOT = new URL("..", import.meta.url).pathname;

/** A part that takes longer than this hangs. */
const TIMEOUT = 10 * 60_000;

export interface Part {
  readonly name: string;
  readonly about: string;
  /** It runs in network namespaces, so as root only, and needs this besides what a lab does. */
  readonly namespaces?: readonly PartName[];
  readonly run: () => Promise<Outcome>;
}

const NET_PARTS: readonly PartName[] = ["libmnl", "iptables", "strace"];

/** Each folder of tests/ is one; a new folder is a new row. */
export const PARTS: readonly Part[] = [
  { name: "check", about: "format, lint, types, import arrows", run: runCheck },
  { name: "unit", about: "values in, values out", run: () => denoTest("unit") },
  { name: "vectors", about: "recorded answers of the original agent", run: runVectors },
  { name: "property", about: "what holds for every mesh", run: () => denoTest("property") },
  { name: "fuzz", about: "mutated kernel answers", run: () => denoTest("fuzz") },
  {
    name: "net",
    about: "what the kernel makes of what we send",
    namespaces: [...NET_PARTS, "conntrack"],
    run: () => denoTest("net"),
  },
  {
    name: "lab",
    about: "whole meshes of the built program",
    namespaces: [...NET_PARTS, "wrk"],
    run: () => testProgram("lab", { parallel: 4 }),
  },
  {
    name: "drift",
    about: "what others alter behind the agent's back",
    namespaces: NET_PARTS,
    run: () => testProgram("drift"),
  },
  {
    name: "faults",
    about: "what else goes wrong: disks, names, clocks, rights, other programs",
    namespaces: NET_PARTS,
    run: () => testProgram("faults", { parallel: 2 }),
  },
  {
    name: "lossless",
    about: "packets under way while agents, Peers and Nodes come, change and go",
    namespaces: ["libmnl", "gcc", "headers"],
    run: () => testProgram("lossless"),
  },
  {
    name: "outages",
    about: "an API server that fails, with packets under way; a node that dies",
    namespaces: ["libmnl", "gcc", "headers"],
    run: () => testProgram("outages", { parallel: 3 }),
  },
  {
    name: "static",
    about: "the program file, alone in an empty root",
    namespaces: ["libmnl"],
    run: () => denoTest("static"),
  },
  { name: "k8s", about: "a real Kubernetes API server, and its faults", run: runKubernetes },
  {
    name: "vm",
    about: "a mesh on a kernel with WireGuard and IPIP, in a virtual machine",
    run: async () => (await build(), await denoTest("vm")),
  },
];

interface TestOptions {
  /** Files at a time. */
  readonly parallel?: number;
}

/** Runs the tests under tests/PART. */
async function denoTest(part: string, { parallel }: TestOptions = {}): Promise<Outcome> {
  const report = await Deno.makeTempFile({ prefix: "kg-test-", suffix: ".xml" });
  try {
    const output = await runDeno([
      ..."test --frozen --allow-all --no-check".split(" "),
      ...parallel ? ["--parallel"] : [],
      ...[`--junit-path=${report}`, `tests/${part}`],
    ], parallel ? { DENO_JOBS: `${parallel}` } : {});
    return readOutcome(await Deno.readTextFile(report), { part, ...output });
  } finally {
    await Deno.remove(report);
  }
}

async function runVectors(): Promise<Outcome> {
  const { code, text } = await runDeno([
    "run",
    "--allow-read",
    "--allow-write",
    "tools/vectors.ts",
  ]);
  const counts = /^(\d+) passed, (\d+) failed$/m.exec(text);
  const passed = Number(counts?.[1] ?? 0);
  const failed = Number(counts?.[2] ?? 0);
  return { passed, failed: code !== 0 && failed === 0 ? 1 : failed, skipped: [], output: text };
}

async function runKubernetes(): Promise<Outcome> {
  const obstacle = await setUpApiServer();
  if (obstacle === undefined) return await denoTest("k8s");
  return { passed: 0, failed: 0, skipped: [`all of k8s: ${obstacle}`], output: "" };
}

/** Tests of the program on both backends; where there can be no API server those on it are skipped. */
async function testProgram(part: string, options: TestOptions = {}): Promise<Outcome> {
  await build();
  const obstacle = await setUpApiServer();
  if (obstacle !== undefined) say(`without Kubernetes: ${obstacle}`);
  return await denoTest(part, options);
}

/** Sees to all that an API server needs; answers what stands in the way. */
async function setUpApiServer(): Promise<string | undefined> {
  try {
    await provision(["openssl", "setpriv"]);
    await apiServerProgram();
    return undefined;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return error.message;
  }
}

async function runCheck(): Promise<Outcome> {
  const results = await check();
  const failed = results.filter(({ problem }) => problem).length;
  return { passed: results.length - failed, failed, skipped: [], output: "" };
}

async function runDeno(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number; text: string }> {
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), TIMEOUT);
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: ROOT,
    env: { ...CHILD_ENV, ...env },
    stdin: "null",
    signal: timeout.signal,
  }).output();
  clearTimeout(timer);
  const decoder = new TextDecoder();
  const text = decoder.decode(stdout) + decoder.decode(stderr);
  const hung = timeout.signal.aborted ? `\nended after ${duration(TIMEOUT)}` : "";
  return { code: code || (hung ? 1 : 0), text: text + hung };
}

/** Runs a part, tells how it went, and answers its outcome. */
async function perform(part: Part): Promise<Outcome> {
  console.log(`${bold(part.name)} ${dim(part.about)}`);
  if (part.namespaces && !isRoot()) {
    return { passed: 0, failed: 0, skipped: [`all of ${part.name}: needs root`], output: "" };
  }
  const start = performance.now();
  let outcome: Outcome;
  try {
    if (part.namespaces) await provisionLab(part.namespaces);
    outcome = await part.run();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    outcome = { passed: 0, failed: 1, skipped: [], output: error.message };
  }
  const { passed, failed, skipped, output } = outcome;
  if (failed > 0 && output) console.log(essence(output));
  for (const [measured] of output.matchAll(/^measured: .*$/gm)) console.log(`  ${measured}`);
  console.log(
    `  ${failed > 0 ? red(`✗ ${failed} failed`) : green("✓")} ${passed} passed` +
      (skipped.length > 0 ? yellow(`, ${skipped.length} skipped`) : "") +
      dim(`  ${duration(performance.now() - start)}`),
  );
  return outcome;
}

/** The errors; of a run that did not get so far as to list them, its last words. */
function essence(output: string): string {
  const errors = output.search(/^.*\bERRORS\b/m);
  return (errors < 0 ? output.split("\n").slice(-40).join("\n") : output.slice(errors)).trim();
}

function choose(names: readonly string[]): readonly Part[] {
  if (names.length === 0) return PARTS;
  return names.map((name) => {
    const part = PARTS.find((part) => part.name === name);
    if (part) return part;
    throw new Refusal(`no part ${name}; there are: ${PARTS.map(({ name }) => name).join(", ")}`);
  });
}

async function test(): Promise<number> {
  const parts = choose(Deno.args);
  const start = performance.now();
  const total = { passed: 0, failed: 0, skipped: [] as string[] };
  for (const part of parts) {
    const { passed, failed, skipped } = await perform(part);
    total.passed += passed;
    total.failed += failed;
    total.skipped.push(...skipped);
  }
  if (total.skipped.length > 0) console.log(yellow("skipped:"));
  for (const name of total.skipped) console.log(`  ${name}`);
  console.log(dim(`in ${duration(performance.now() - start)}`));
  const { passed, failed, skipped } = total;
  const tail = skipped.length > 0 ? `, ${skipped.length} skipped` : "";
  console.log(`${passed} passed, ${failed} failed${tail}`);
  return failed > 0 || passed === 0 ? 1 : 0;
}

if (import.meta.main) await main(test);
