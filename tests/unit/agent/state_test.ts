import assert from "node:assert/strict";
import type { Log } from "../../../src/agent/log.ts";
import { parseIP } from "../../../src/net/ip.ts";
import { State } from "../../../src/agent/state.ts";

async function inDirectory(
  test: (directory: string, warnings: string[], log: Log) => Promise<void>,
) {
  const root = await Deno.makeTempDir({ prefix: "ag-" });
  const warnings: string[] = [];
  const ignore = () => {};
  const log: Log = {
    debug: ignore,
    info: ignore,
    warn: (text) => warnings.push(text),
    error: ignore,
  };
  try {
    await test(`${root}/lib/kilo`, warnings, log);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

Deno.test("State remembers what was published", () =>
  inDirectory(async (directory, warnings, log) => {
    const state = await State.open(log, directory);
    assert.equal(Deno.statSync(directory).mode! & 0o777, 0o700);
    assert.equal(state.keyPath, `${directory}/key`);
    assert.deepEqual(state.published, { endpoint: [], internalIP: [] });
    state.published = { endpoint: ["1.2.3.4:5"], internalIP: [""] };
    assert.deepEqual((await State.open(log, directory)).published, {
      endpoint: ["1.2.3.4:5"],
      internalIP: [""],
    });
    assert.deepEqual([warnings, [...Deno.readDirSync(directory)].length], [[], 1]);
  }));

Deno.test("State remembers which addresses were chosen", () =>
  inDirectory(async (directory, warnings, log) => {
    const chosen = { endpointIP: parseIP("2001:db8::1")!, internalIP: parseIP("10.0.0.1")! };
    const state = await State.open(log, directory);
    assert.deepEqual(state.chosen, {});
    state.chosen = chosen;
    assert.deepEqual((await State.open(log, directory)).chosen, chosen);
    state.chosen = { endpointIP: chosen.endpointIP };
    assert.deepEqual((await State.open(log, directory)).chosen, { endpointIP: chosen.endpointIP });
    assert.deepEqual(warnings, []);
    for (const text of ["", "null", '{"endpointIP":"10.0.0.300"}', '{"internalIP":7}', "[[]"]) {
      await Deno.writeTextFile(`${directory}/addresses.json`, text);
      assert.deepEqual((await State.open(log, directory)).chosen, {}, text);
    }
    assert.equal(warnings.length, 5);
  }));

Deno.test("State writes nothing when nothing is new", () =>
  inDirectory(async (directory, _, log) => {
    const state = await State.open(log, directory);
    state.published = { endpoint: [], internalIP: [] };
    assert.deepEqual([...Deno.readDirSync(directory)], []);
  }));

Deno.test("State warns of a file it cannot use or write, and goes on", () =>
  inDirectory(async (directory, warnings, log) => {
    await Deno.mkdir(directory, { recursive: true });
    await Deno.writeTextFile(`${directory}/published.json`, "{");
    const state = await State.open(log, directory);
    assert.deepEqual(state.published, { endpoint: [], internalIP: [] });
    assert.equal(warnings.length, 1);
    await Deno.remove(directory, { recursive: true });
    state.published = { endpoint: ["x"], internalIP: [] };
    assert.deepEqual([state.published.endpoint, warnings.length], [["x"], 2]);
    state.published = { endpoint: ["y"], internalIP: [] };
    assert.equal(warnings.length, 2, "once as long as it stays so");
  }));
