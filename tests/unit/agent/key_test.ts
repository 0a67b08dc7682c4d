import assert from "node:assert/strict";
import { loadKey } from "../../../src/agent/key.ts";
import { parseKey } from "../../../src/net/key.ts";

const KEY = "kGzWJHTLWNSIRIQ3BIEYCmMPBoJOBjDhr4GNMdGpYEE=";

async function inDirectory(test: (path: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "ag-" });
  try {
    await test(`${directory}/key`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const modeOf = (path: string) => Deno.statSync(path).mode! & 0o777;

Deno.test("loadKey() makes a key that stays", () =>
  inDirectory(async (path) => {
    const made = await loadKey(path);
    assert.equal(made.warning, undefined);
    assert.equal(await Deno.readTextFile(path), made.key);
    assert.equal(parseKey(made.key), made.key);
    assert.equal(modeOf(path), 0o600);
    assert.deepEqual(await loadKey(path), { key: made.key });
  }));

Deno.test("loadKey() trims newlines at both ends and leaves the file as it is", () =>
  inDirectory(async (path) => {
    await Deno.writeTextFile(path, `\n${KEY}\r\n`, { mode: 0o640 });
    assert.deepEqual(await loadKey(path), { key: KEY });
    assert.equal(await Deno.readTextFile(path), `\n${KEY}\r\n`);
    assert.equal(modeOf(path), 0o640);
  }));

Deno.test("loadKey() keeps unusable files aside, each of them", () =>
  inDirectory(async (path) => {
    const unusable = ["", "not a key", ` ${KEY}`, "A".repeat(43) + "="];
    for (const text of unusable) {
      await Deno.writeTextFile(path, text);
      const { key, warning } = await loadKey(path);
      assert.equal(await Deno.readTextFile(path), key);
      assert(warning?.includes(`${path}.unusable-`) && !warning.includes(KEY), warning);
    }
    const kept = unusable.map((_, at) => Deno.readTextFileSync(`${path}.unusable-${at + 1}`));
    assert.deepEqual(kept, unusable);
  }));

Deno.test("loadKey() throws when the file cannot be read", () =>
  inDirectory(async (path) => {
    await Deno.mkdir(path);
    await assert.rejects(loadKey(path));
    await assert.rejects(loadKey(`${path}.missing/key`));
  }));
