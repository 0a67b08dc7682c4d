/** Where and when figures were measured. */

import { run } from "../tools/command.ts";

/** Sentences for the head of a report. Ask at the end: the load is that of the last minutes. */
export async function surroundings(root: string): Promise<string> {
  const cpu = field("/proc/cpuinfo", "model name");
  const gigabytes = (Number.parseInt(field("/proc/meminfo", "MemTotal")) / 1e6).toFixed(0);
  const cores = navigator.hardwareConcurrency;
  const load = Deno.loadavg().map((value) => value.toFixed(1)).join(", ");
  const revision = (await run(["git", "-C", root, "describe", "--always", "--dirty"])).trim();
  const date = new Date().toISOString().slice(0, 10);
  return `Measured on ${date} at commit ${revision}, on ${cores} cores (${cpu}) with ${gigabytes} GB, ` +
    `Linux ${Deno.osRelease()}; load of the last 1, 5, 15 minutes, the bench's own included: ${load}.`;
}

function field(path: string, name: string): string {
  const lines = Deno.readTextFileSync(path).split("\n");
  return lines.find((line) => line.startsWith(name))?.split(":")[1]?.trim() ?? "unknown";
}
