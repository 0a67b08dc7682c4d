import assert from "node:assert/strict";
import { execute } from "../../../src/cli/command.ts";
import { KG, KGCTL, programCalled } from "../../../src/cli/commands.ts";
import { VERSION } from "../../../src/cli/version.ts";

async function run(program: typeof KG, ...args: string[]) {
  const seen = { out: "", error: "" };
  const code = await execute(program, args, {
    out: (text) => seen.out += `${text}\n`,
    error: (text) => seen.error += `${text}\n`,
  });
  return { code, ...seen };
}

Deno.test("programCalled() knows kgctl by the name it was started by", () => {
  for (const path of ["kgctl", "./kgctl", "/usr/local/bin/kgctl"]) {
    assert.equal(programCalled(path), KGCTL, path);
  }
  for (const path of ["kg", "/opt/kg", "/kgctl/kg", "kgctl2", ""]) {
    assert.equal(programCalled(path), KG, path);
  }
});

Deno.test("kg and kgctl print their versions", async () => {
  assert.equal((await run(KG, "version")).out, `${VERSION}\n`);
  for (const flag of ["--version", "-v"]) {
    assert.equal((await run(KG, flag)).out, `${VERSION}\n`);
    assert.equal((await run(KGCTL, flag)).out, `kgctl version ${VERSION}\n`);
  }
});

Deno.test("kgctl without a command shows its help, with an unknown one an error", async () => {
  const { code, out } = await run(KGCTL);
  assert.equal(code, 0);
  assert.match(out, /Usage: kgctl \[flags\]\n/);
  assert.equal((await run(KGCTL, "help")).out, out);
  const unknown = await run(KGCTL, "clean-up");
  assert.deepEqual([unknown.code, unknown.error], [
    1,
    'Error: unknown command "clean-up" for "kgctl"\n',
  ]);
});

Deno.test("kg has the commands of kgctl", () => {
  for (const command of KGCTL.commands) assert.ok(KG.commands.includes(command), command.name);
});
