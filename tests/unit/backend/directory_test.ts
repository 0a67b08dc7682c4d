import assert from "node:assert/strict";
import { Directory } from "../../../src/backend/file/directory.ts";
import { formatStatus } from "../../../src/backend/file/status.ts";
import { replaceFile } from "../../../src/files/replace.ts";

Deno.test("Directory.refresh() tells whether one of its files differs", async () => {
  const path = await Deno.makeTempDir();
  try {
    const directory = new Directory(path, { topologyLabel: "location" });
    const file = `${path}/a.yaml`;
    const write = (key: string) =>
      replaceFile(file, formatStatus("a", { "kilo.squat.ai/key": key }), { mode: 0o644 });
    await directory.refreshAll(() => false);
    assert.equal(await directory.refresh([file]), false, "it is not there");
    await write("1");
    assert.equal(await directory.refresh([`${path}/b.yaml`, file]), true, "it came");
    assert.equal(await directory.refresh([file]), false, "it is the same");
    await write("2");
    assert.equal(await directory.refresh([file]), true, "it changed");
    assert.equal(await directory.refresh([`${path}/elsewhere/a.yaml`]), false);
    await Deno.remove(file);
    assert.equal(await directory.refresh([file]), true, "it is gone");
    assert.equal(await directory.refresh([file]), false, "it stays away");
  } finally {
    await Deno.remove(path, { recursive: true });
  }
});
