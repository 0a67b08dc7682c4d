import assert from "node:assert/strict";
import { replaceFile, replaceFileSync } from "../../../src/files/replace.ts";

const modeOf = (path: string) => Deno.statSync(path).mode! & 0o777;

Deno.test("replaceFile() makes and replaces, and leaves nothing behind", async () => {
  const directory = await Deno.makeTempDir({ prefix: "ag-" });
  const path = `${directory}/file`;
  await replaceFile(path, "a", { mode: 0o666 }); // more than any umask lets through
  assert.deepEqual([Deno.readTextFileSync(path), modeOf(path)], ["a", 0o666]);
  await Deno.chmod(path, 0o640);
  await replaceFile(path, "b", { mode: 0o600 });
  assert.deepEqual([Deno.readTextFileSync(path), modeOf(path)], ["b", 0o640]);
  await assert.rejects(replaceFile(`${directory}/none/file`, "c", { mode: 0o600 }));
  await Deno.mkdir(`${directory}/taken`);
  await assert.rejects(replaceFile(`${directory}/taken`, "c", { mode: 0o600 }));
  assert.deepEqual([...Deno.readDirSync(directory)].map(({ name }) => name).sort(), [
    "file",
    "taken",
  ]);
  await Deno.remove(directory, { recursive: true });
});

Deno.test("replaceFileSync() makes and replaces with this mode, and follows no link", async () => {
  const directory = await Deno.makeTempDir({ prefix: "ag-" });
  const path = `${directory}/file`;
  replaceFileSync(path, "a", { mode: 0o600 });
  assert.deepEqual([Deno.readTextFileSync(path), modeOf(path)], ["a", 0o600]);
  await Deno.writeTextFile(`${directory}/other`, "other");
  await Deno.remove(path);
  await Deno.symlink(`${directory}/other`, path);
  replaceFileSync(path, "b", { mode: 0o600 });
  assert.equal(Deno.readTextFileSync(`${directory}/other`), "other");
  assert.deepEqual([...Deno.readDirSync(directory)].map(({ name }) => name).sort(), [
    "file",
    "other",
  ]);
  await Deno.remove(directory, { recursive: true });
});
