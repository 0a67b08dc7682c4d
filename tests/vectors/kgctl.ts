/** One run of kgctl.json: what the original's `kgctl` prints of a cluster, and what ours prints. */

import { asNodeObject, asPeerObject } from "../../src/mesh/object.ts";
import { parseNode } from "../../src/mesh/read_node.ts";
import { runKgctl } from "./run_kgctl.ts";

/** A cluster and what is run on it; the file has many runs a cluster. */
export interface KgctlRun {
  readonly objects: readonly TypedObject[];
  readonly run: {
    readonly args: readonly string[];
    readonly stdout: string;
    readonly code: number;
  };
}

interface TypedObject {
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

/** The runs of a case of the file, each with its cluster. */
export function kgctlRuns(value: object): KgctlRun[] {
  const { objects, runs } = value as Pick<KgctlRun, "objects"> & { runs: KgctlRun["run"][] };
  return runs.map((run) => ({ objects, run }));
}

/** What differs, code or stdout with its first line that does; none: the run passes. */
export async function checkKgctlRun(value: unknown): Promise<string[]> {
  const { objects, run } = value as KgctlRun;
  const { code, stdout, stderr } = await runKgctl(objects, run.args);
  if (code !== run.code) return [`code: expected ${run.code}, got ${code}: ${stderr.trim()}`];
  if (code !== 0) return []; // Ours may be better worded.
  // In a graph the original escapes nothing.
  const got = run.args[0] === "graph" ? stdout.replace(/\\(["\\])/g, "$1") : stdout;
  let expected = run.stdout;
  for (const better of Object.values(BETTER_RUNS)) expected = better({ objects, run }, expected);
  return expected === got ? [] : [`stdout: ${firstDifference(expected, got)}`];
}

/** Where ours differs from the original on purpose (behaviour.md §2.4, "better"), by name. */
export const BETTER_RUNS: Readonly<
  Record<string, (value: KgctlRun, expected: string) => string>
> = {
  "keepalive is in seconds": (_, expected) =>
    expected.replace(/("?persistentKeepalive"?: \d+)0{9}\b/, "$1"),
  "there is no endpoint where there is none": (_, expected) =>
    expected
      .replace(/ +"endpoint": \{\s+"dnsOrIP": \{\s+"ip": "\\u003cnil\\u003e"\s+\},\s+"port": 0\s+\},\n/, "")
      .replace(/ +endpoint:\n +dnsOrIP:\n +ip: <nil>\n +port: 0\n/, ""),
  "a DNS endpoint has its host name and no ip": (value, expected) =>
    expected
      .replace(/"dns": "\d+",\s+"ip": "\\u003cnil\\u003e"/, () => `"dns": "${hostOf(value)}"`)
      .replace(/dns: "\d+"\n +ip: <nil>/, () => `dns: ${hostOf(value)}`),
  "JSON ends in a newline": (_, expected) => expected.startsWith("{") ? `${expected}\n` : expected,
};

/** The name in the endpoint of the object that is shown: `showconf KIND NAME`. */
function hostOf({ objects, run: { args: [, kind, name] } }: KgctlRun): string | undefined {
  const object = objects.find((object) =>
    object.kind.toLowerCase() === kind && object.metadata.name === name
  );
  if (kind === "peer") return asPeerObject(object).spec?.endpoint?.dnsOrIP?.dns ?? undefined;
  const topologyLabel = ""; // where it is does not matter here
  return parseNode(asNodeObject(object), { topologyLabel }).node.endpoint?.dns;
}

function firstDifference(expected: string, got: string): string {
  const ours = got.split("\n");
  const theirs = expected.split("\n");
  const at = theirs.findIndex((line, at) => line !== ours[at]);
  const line = at < 0 ? theirs.length : at;
  return `line ${line + 1}: expected ${JSON.stringify(theirs[line])}, got ${
    JSON.stringify(ours[line])
  }`;
}
