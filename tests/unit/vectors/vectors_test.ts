import assert from "node:assert/strict";
import { BETTER_RUNS, checkKgctlRun, type KgctlRun, kgctlRuns } from "../../vectors/kgctl.ts";
import { BETTER_NODES, BETTER_PEERS, checkObjectCase } from "../../vectors/objects.ts";

interface Case {
  readonly node?: Parameters<(typeof BETTER_NODES)[string]>[0];
  readonly peer?: Parameters<(typeof BETTER_PEERS)[string]>[0];
  readonly now?: number;
  readonly expect: Readonly<Record<string, unknown>>;
}

const cases: readonly Case[] = await readVectors("objects.json");
const runs: readonly KgctlRun[] = (await readVectors("kgctl.json")).flatMap(kgctlRuns);

async function readVectors(name: string) {
  return JSON.parse(await Deno.readTextFile(new URL(`../../vectors/${name}`, import.meta.url)));
}

Deno.test("objects are read as the original reads them", () => {
  const wrong = cases.flatMap((value, at) =>
    checkObjectCase(value).map((line) => `${at}: ${line}`)
  );
  assert.deepEqual(wrong, []);
  assert.ok(cases.length > 0);
});

Deno.test("checkObjectCase() names the field that differs", () => {
  const node = cases.find((value) => value.node)!;
  const peer = cases.find((value) => value.peer && value.expect.valid)!;
  for (const value of [node, peer]) {
    for (const field of Object.keys(value.expect)) {
      const changed = { ...value, expect: { ...value.expect, [field]: "other" } };
      assert.equal(checkObjectCase(changed).length, 1, field);
      assert.ok(checkObjectCase(changed)[0]?.startsWith(`${field}: expected "other"`), field);
    }
  }
  const unknown = { ...node, expect: { ...node.expect, more: 1 } };
  assert.deepEqual(checkObjectCase(unknown), ["more: expected 1, got undefined"]);
  const invalid = cases.find((value) => value.peer && !value.expect.valid)!;
  assert.ok(checkObjectCase({ ...invalid, expect: { valid: true } }).length > 0);
  assert.throws(() => checkObjectCase({ node: node.node }), TypeError);
});

Deno.test("every named exception is needed by some case", () => {
  for (const [name, better] of Object.entries(BETTER_NODES)) {
    const changes = (value: Case) => value.node && changed(value, (e) => better(value.node!, e));
    assert.ok(cases.some(changes), name);
  }
  for (const [name, better] of Object.entries(BETTER_PEERS)) {
    const changes = (value: Case) => value.peer && changed(value, (e) => better(value.peer!, e));
    assert.ok(cases.some(changes), name);
  }
  for (const [name, better] of Object.entries(BETTER_RUNS)) {
    assert.ok(runs.some((value) => better(value, value.run.stdout) !== value.run.stdout), name);
  }
});

Deno.test("checkKgctlRun() passes what the original printed, and names the line that differs", async () => {
  const value = runs.find(({ run }) => run.args[0] === "showconf" && run.code === 0)!;
  assert.deepEqual(await checkKgctlRun(value), []);
  const { objects, run } = value;
  const other = { ...run, stdout: run.stdout.replace(/^ListenPort = /m, "Port = ") };
  const [difference] = await checkKgctlRun({ objects, run: other });
  assert.equal(difference, 'stdout: line 2: expected "Port = 51820", got "ListenPort = 51820"');
  const [code] = await checkKgctlRun({ objects, run: { ...run, code: 1 } });
  assert.match(code!, /^code: expected 1, got 0/);
});

function changed(value: Case, better: (expected: Record<string, unknown>) => void): boolean {
  const expected = { ...value.expect };
  better(expected);
  return JSON.stringify(expected) !== JSON.stringify(value.expect);
}

/** Runs the command on files of these contents; its lines without the folder, and its exit code. */
async function run(contents: Readonly<Record<string, unknown>>) {
  const folder = await Deno.makeTempDir();
  try {
    const files = Object.keys(contents).map((name) => `${folder}/${name}`);
    for (const [name, content] of Object.entries(contents)) {
      await Deno.writeTextFile(`${folder}/${name}`, JSON.stringify(content));
    }
    const tool = new URL("../../../tools/vectors.ts", import.meta.url).pathname;
    const command = new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-read", "--allow-write", tool, ...files],
    });
    const { code, stdout, stderr } = await command.output();
    const text = new TextDecoder().decode(code === 0 || stdout.length > 0 ? stdout : stderr);
    return { code, lines: text.replaceAll(`${folder}/`, "").trim().split("\n") };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("the vectors command sums up and passes", async () => {
  const [{ objects, run: graph }] = runs as [(typeof runs)[number]];
  const { code, lines } = await run({
    "a.json": cases.slice(0, 3),
    "b.json": cases.slice(3, 4),
    "c.json": [{ objects, runs: [graph, graph] }],
  });
  assert.deepEqual([code, lines], [0, ["6 passed, 0 failed"]]);
});

Deno.test("the vectors command has a line for each case that differs, and fails", async () => {
  const [node, peer] = cases;
  const wrong = { ...node, expect: { ...node!.expect, leader: "x", location: "y" } };
  const { code, lines } = await run({ "a.json": [peer, wrong, { what: 1 }] });
  assert.equal(code, 1);
  assert.match(lines[0]!, /^a.json: case 1 \(n0\): leader: expected "x".*; location: expected "y"/);
  assert.equal(lines[1], "a.json: case 2: not a case of any known kind");
  assert.deepEqual(lines.slice(2), ["1 passed, 2 failed"]);
});

Deno.test("the vectors command says which file it cannot read", async () => {
  const { code, lines } = await run({ "a.json": "text" });
  assert.deepEqual([code, lines], [1, ["vectors: a.json is not a list of cases in JSON"]]);
});
