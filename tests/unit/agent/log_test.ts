import assert from "node:assert/strict";
import { configureLog, LOG_LEVELS, type LogLevel, openLog } from "../../../src/agent/log.ts";

/** What is logged at a level: the lines, read back. */
function logged(level: LogLevel, action: () => void): Record<string, unknown>[] {
  const lines: string[] = [];
  configureLog(level, (line) => lines.push(line));
  action();
  configureLog("none");
  for (const line of lines) assert.match(line, /^\{.*\}\n$/);
  return lines.map((line) => JSON.parse(line));
}

Deno.test("openLog() writes one JSON object a line, in the documented order", () => {
  const [line] = logged("info", () =>
    openLog("kilo").error("it failed", {
      error: new Error("writing /x", { cause: new Error("no space") }),
      segment: "a",
    }));
  assert.deepEqual(Object.keys(line!), ["ts", "level", "component", "msg", "segment", "error"]);
  assert.match(String(line!.ts), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
  assert(Math.abs(Date.parse(String(line!.ts)) - Date.now()) < 5000);
  assert.deepEqual([line!.level, line!.component, line!.msg, line!.segment, line!.error], [
    "error",
    "kilo",
    "it failed",
    "a",
    "writing /x: no space",
  ]);
});

Deno.test("configureLog() keeps what is below the level out", () => {
  const all = () => {
    const log = openLog("kilo");
    log.debug("d");
    log.info("i");
    log.warn("w");
    log.error("e");
  };
  const seen = LOG_LEVELS.map((level) => logged(level, all).map(({ level }) => level).join(" "));
  assert.deepEqual(seen, [
    "debug info warn error",
    "debug info warn error",
    "info warn error",
    "warn error",
    "error",
    "",
  ]);
});

Deno.test("openLog() never takes a message for a template", () => {
  const [line] = logged("info", () => openLog("kilo").info("{x} {{y}} {*}", { x: 1 }));
  assert.equal(line!.msg, "{x} {{y}} {*}");
});

Deno.test("openLog() writes no key, wherever it stands", () => {
  const key = "+GzWJHTLWNSIRIQ3BIEYCmMPBoJOBjDhr4GNMdGpYAE=";
  const hex = Uint8Array.fromBase64(key).toHex();
  const lines = logged("info", () =>
    openLog("kilo").info(`key ${key}`, {
      error: new Error(`private_key=${hex}`),
      deep: { list: [key, 7n] },
    }));
  const text = JSON.stringify(lines);
  assert(!text.includes(key) && !text.includes(hex), text);
  assert.deepEqual(lines[0]!.deep, { list: ["(key)", "7"] });
});
