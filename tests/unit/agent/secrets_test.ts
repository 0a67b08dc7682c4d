/** Nothing that is read from a file of secrets is ever told, however unusable it is. */

import assert from "node:assert/strict";
import { loadKey } from "../../../src/agent/key.ts";
import { configureLog, openLog } from "../../../src/agent/log.ts";
import { State } from "../../../src/agent/state.ts";
import { execute } from "../../../src/cli/command.ts";
import { generatePrivateKey } from "../../../src/wireguard/key.ts";

const MARKER = "MARKER-of-a-secret";

Deno.test("an unusable key or state is told of without what is in it", async () => {
  const directory = await Deno.makeTempDir({ prefix: "ag-" });
  let said = "";
  configureLog("all", (line) => void (said += line));
  await Deno.writeTextFile(`${directory}/key`, `${MARKER}\r\n${generatePrivateKey()}\r\n`);
  await Deno.writeTextFile(`${directory}/published.json`, `{"${MARKER}": [`);
  await State.open(openLog("test"), directory);
  const { warning = "" } = await loadKey(`${directory}/key`);
  assert.match(warning, /no usable key/);
  assert.match(said, /published.json is unreadable/);
  assert.ok(!(said + warning).includes(MARKER), said + warning);
  await Deno.remove(directory, { recursive: true });
});

Deno.test("the error that ends a command shows no key", async () => {
  const key = generatePrivateKey();
  let said = "";
  const root = {
    name: "kg",
    summary: "",
    flags: {},
    run: () => Promise.reject(new Error(`cannot use ${key}`)),
  };
  const program = { root, version: "", commands: [] };
  const output = { out: () => {}, error: (text: string) => void (said += text) };
  assert.equal(await execute(program, [], output), 1);
  assert.equal(said, "Error: cannot use (key)");
});
