import assert from "node:assert/strict";
import { Alarms } from "../../../src/agent/alarms.ts";

/** Sets alarms in this order and returns what has gone off when the one called "end" has. */
async function goneOff(alarms: readonly (readonly [string, number | undefined])[]) {
  const marked: string[] = [];
  const { promise: end, resolve } = Promise.withResolvers<void>();
  using clock = new Alarms<string>((reason) => {
    marked.push(reason);
    if (reason === "end") resolve();
  });
  for (const [reason, milliseconds] of alarms) clock.set(reason, milliseconds);
  await end;
  return marked;
}

Deno.test("Alarms marks each reason when its time has come, the last set counts", async () => {
  const alarms = [["end", 20], ["soon", 5], ["never", 1], ["never", undefined]] as const;
  assert.deepEqual(await goneOff(alarms), ["soon", "end"]);
});

Deno.test("Alarms keeps quiet when an alarm is further away than a timer can wait", async () => {
  assert.deepEqual(await goneOff([["some day", 2 ** 31], ["end", 20]]), ["end"]);
});
