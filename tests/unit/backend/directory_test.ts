import assert from "node:assert/strict";
import { Directory } from "../../../src/backend/file/directory.ts";
import { formatStatus } from "../../../src/backend/file/status.ts";
import { replaceFile } from "../../../src/files/replace.ts";
import { libc } from "../../../src/os/libc.ts";

libc(); // stays open: not a leak of any test

Deno.test("Directory.refresh() tells whether one of its files differs", async () => {
  const path = await Deno.makeTempDir();
  try {
    const directory = new Directory(path, {
      topologyLabel: "location",
      followLinks: false,
      refill: { milliseconds: 0, after: "return" },
    });
    const file = `${path}/a.yaml`;
    const write = (key: string) =>
      replaceFile(file, formatStatus("a", { "kilo.squat.ai/key": key }), { mode: 0o644 });
    const look = { isRemote: false, isWhole: () => false };
    const differs = async (...paths: string[]) => (await directory.refresh(paths, look)).size > 0;
    await write("0");
    await Deno.rename(file, `${path}/z.yaml`); // it stays: an empty directory would be strange
    await directory.refreshAll(look);
    assert.equal(await differs(file), false, "it is not there");
    await write("1");
    assert.equal(await differs(`${path}/b.yaml`, file), true, "it came");
    assert.equal(await differs(file), false, "it is the same");
    await write("2");
    assert.equal(await differs(file), true, "it changed");
    assert.equal(await differs(`${path}/elsewhere/a.yaml`), false);
    await Deno.remove(file);
    assert.equal(await differs(file), true, "it is gone");
    assert.equal(await differs(file), false, "it stays away");
  } finally {
    await Deno.remove(path, { recursive: true });
  }
});
