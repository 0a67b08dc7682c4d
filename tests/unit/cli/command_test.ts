import assert from "node:assert/strict";
import { reportFailuresTo } from "../../../src/async/background.ts";
import { sleep } from "../../../src/async/sleep.ts";
import { command, execute, type Program } from "../../../src/cli/command.ts";
import { boolean, choice, text } from "../../../src/cli/flag.ts";
import { LOG_LEVELS } from "../../../src/agent/log.ts";

/** Runs a command line of a small program; what was printed, and which command ran. */
async function run(...args: string[]) {
  const seen = { out: "", error: "", ran: "" };
  const flags = {
    "cni": boolean(true, { help: "manage CNI" }),
    "interface": text("kilo0", { placeholder: "name", help: "the interface" }),
    "log-level": choice("info", { words: LOG_LEVELS, help: "how much" }),
    "mode": choice("a", { words: ["a", "b"], help: "which" }),
    "version": boolean(false, { letter: "v", help: "print the version" }),
  };
  const program: Program = {
    version: "1.2.3",
    root: command({
      name: "kg",
      summary: "The agent.",
      flags,
      run: (values) => void (seen.ran = `kg ${values.interface} ${values.cni}`),
    }),
    commands: [
      command({
        name: "plain",
        summary: "Plain.",
        flags: {},
        run: () => void (seen.ran = "plain"),
      }),
      command({
        name: "show",
        summary: "Show.",
        flags: { "as-peer": boolean(false, { help: "as a peer" }) },
        operands: "NAME",
        run: (values, { args }) => void (seen.ran = `show ${values.asPeer} ${args}`),
      }),
      command({
        name: "stray",
        summary: "Stray.",
        flags: {},
        run: async () => {
          Promise.reject(new Error("rejected"));
          setTimeout(() => {
            throw new Error("from a timer");
          });
          await sleep(20);
          seen.ran = "stray";
        },
      }),
      command({
        name: "fail",
        summary: "Fail.",
        flags: {},
        run: () => Promise.reject(new Error("reading /x", { cause: new Error("no such file") })),
      }),
    ],
  };
  const code = await execute(program, args, {
    out: (text) => seen.out += text + "\n",
    error: (text) => seen.error += text + "\n",
  });
  return { code, ...seen };
}

Deno.test("execute() runs the root when no command is named", async () => {
  const { code, ran, out, error } = await run("--interface", "plain", "--cni=false");
  assert.deepEqual([code, ran, out, error], [0, "kg plain false", "", ""]);
});

Deno.test("execute() runs the command named by the first argument", async () => {
  assert.equal((await run("show", "--as-peer", "x", "y")).ran, "show true x,y");
  assert.equal((await run("show", "plain")).ran, "show false plain");
});

Deno.test("execute() lets nothing that was thrown to nobody end the program", async () => {
  const failures: string[] = [];
  using _reporting = reportFailuresTo(({ error }) => failures.push(String(error)));
  const { code, ran, error } = await run("stray");
  assert.deepEqual([code, ran, error], [0, "stray", ""]);
  assert.deepEqual(failures.sort(), ["Error: from a timer", "Error: rejected"]);
});

Deno.test("execute() refuses arguments that name no command", async () => {
  const { code, error, ran } = await run("--cni", "false");
  assert.deepEqual([code, error, ran], [1, 'Error: unknown command "false" for "kg"\n', ""]);
  assert.match((await run("plain", "x")).error, /unknown command "x" for "kg plain"/);
});

Deno.test("execute() prints one line and exits 1 for a bad command line", async () => {
  for (const args of [["--nonsense"], ["--cni=maybe"], ["--mode=c"], ["plain", "--cni"]]) {
    const { code, error, ran, out } = await run(...args);
    assert.deepEqual([code, ran, out], [1, "", ""], args.join(" "));
    assert.match(error, /^Error: [^\n]+\n$/);
  }
});

Deno.test("execute() reports a bad log level, then prints the version, then the rest", async () => {
  assert.match((await run("--version", "--mode=c", "--log-level=loud")).error, /log-level/);
  const { code, out } = await run("--mode=c", "-v");
  assert.deepEqual([code, out], [0, "1.2.3\n"]);
  assert.equal((await run("--version=false")).ran, "kg kilo0 true");
});

Deno.test("execute() shows help for the program and for its commands", async () => {
  const { code, out, ran } = await run("--help");
  assert.deepEqual([code, ran], [0, ""]);
  assert.match(out, /Usage: kg \[flags\]\n/);
  assert.match(out, /\n {2}show +Show\.\n/);
  assert.match(out, /--interface name +the interface \(default kilo0\)\n/);
  for (const args of [["show", "-h"], ["help", "show"], ["show", "help", "--help"]]) {
    assert.match((await run(...args)).out, /Usage: kg show \[flags\] NAME\n/, args.join(" "));
  }
  assert.equal((await run("help")).out, out);
});

Deno.test("execute() prints what a command throws with its causes and exits 1", async () => {
  const { code, error } = await run("fail");
  assert.deepEqual([code, error], [1, "Error: reading /x: no such file\n"]);
});
