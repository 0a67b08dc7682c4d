import assert from "node:assert/strict";

const ROOT = new URL("../../..", import.meta.url).href;

/** In a process of its own, since what is given up does not come back. */
const SCRIPT = `
const { KG, KGCTL } = await import(Deno.args[0] + "commands.ts");
const { confined } = await import(Deno.args[0] + "confinement.ts");
const state = () => Deno.permissions.querySync({ name: "run" }).state;
const states = {};
const all = (program) => [program.root, ...program.commands].map((command) => [program, command]);
const commands = [...all(KG), ...all(KGCTL)];
const isFirst = ([, { startsPrograms }]) => startsPrograms ? 0 : 1;
for (const [program, command] of commands.sort((a, b) => isFirst(a) - isFirst(b))) {
  confined(program).selected(command);
  states[program.root.name + " " + command.name] = state();
}
console.log(JSON.stringify(states));
`;

Deno.test("confined() leaves starting programs to those commands alone that read a mesh for people", async () => {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--quiet", SCRIPT, `${ROOT}src/cli/`],
    cwd: new URL(ROOT).pathname,
    stdin: "null",
  }).output();
  const states: Record<string, string> = JSON.parse(new TextDecoder().decode(stdout) || "{}");
  const granted = Object.keys(states).filter((name) => states[name] === "granted").sort();
  const tools = ["kg graph", "kg showconf", "kgctl graph", "kgctl showconf"];
  assert.deepEqual(granted, tools, new TextDecoder().decode(stderr));
  for (const name of ["kg kg", "kg clean-up", "kg webhook", "kg version"]) {
    assert.notEqual(states[name], "granted", name);
    assert.ok(name in states, name);
  }
});
