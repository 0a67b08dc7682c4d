/** What this process costs, under the names that Prometheus' own clients use. */

import process from "node:process";
import { type Metric, single } from "./exposition.ts";

/** CPU time, memory and start of this process. */
export function processMetrics(): Metric[] {
  const { user, system } = process.cpuUsage(); // microseconds
  const { rss, heapTotal } = Deno.memoryUsage();
  return [
    single("counter", {
      name: "process_cpu_seconds_total",
      help: "User and system CPU time spent, in seconds.",
      value: (user + system) / 1e6,
    }),
    single("gauge", {
      name: "process_resident_memory_bytes",
      help: "Resident memory.",
      value: rss,
    }),
    single("gauge", {
      name: "process_heap_bytes",
      help: "Memory that V8 holds for its heap.",
      value: heapTotal,
    }),
    single("gauge", {
      name: "process_start_time_seconds",
      help: "When this process started, in seconds since the Unix epoch.",
      value: performance.timeOrigin / 1000,
    }),
  ];
}
