import assert from "node:assert/strict";
import { readText } from "../../../src/kubernetes/read_text.ts";

async function run(command: string, args: readonly string[]): Promise<string> {
  const { stdout } = await new Deno.Command(command, { args: [...args] }).output();
  return new TextDecoder().decode(stdout);
}

Deno.test("readText() refuses a named pipe, whose opening would hold up everything", async () => {
  const directory = await Deno.makeTempDir();
  const path = `${directory}/pipe`;
  try {
    await run("mkfifo", [path]);
    // In a process of its own, which can be ended if it is held up.
    const module = new URL("../../../src/kubernetes/read_text.ts", import.meta.url).href;
    const code = `const { readText } = await import(${JSON.stringify(module)});` +
      `console.log(await readText(${JSON.stringify(path)}).catch((error) => error.message));`;
    const answer = await run("timeout", ["20", Deno.execPath(), "eval", "--no-check", code]);
    assert.equal(answer, "it is a named pipe\n");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("readText() reads a file", async () => {
  const path = await Deno.makeTempFile();
  await Deno.writeTextFile(path, "text");
  assert.equal(await readText(path), "text");
  await Deno.remove(path);
});
