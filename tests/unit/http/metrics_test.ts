import assert from "node:assert/strict";
import { Distribution } from "../../../src/http/metrics/distribution.ts";
import { formatMetrics, single } from "../../../src/http/metrics/exposition.ts";
import { processMetrics } from "../../../src/http/metrics/process.ts";
import { Tally } from "../../../src/http/metrics/tally.ts";

Deno.test("formatMetrics() writes what Prometheus reads, whatever is in labels and values", async () => {
  const hostile = 'a "quoted" \\ back\nslash';
  const text = await formatMetrics([
    {
      name: "some_total",
      help: "one\nline \\",
      type: "counter",
      samples: [
        { labels: { name: hostile, other: "ü" }, value: 3 },
        { value: Infinity },
        { value: -Infinity },
        { value: NaN },
        { value: 1.5e-7 },
      ],
    },
    single("gauge", { name: "one", help: "Just one.", value: 1 }),
  ]);
  assert.equal(
    text,
    `# HELP some_total one\\nline \\\\
# TYPE some_total counter
some_total{name="a \\"quoted\\" \\\\ back\\nslash",other="ü"} 3
some_total +Inf
some_total -Inf
some_total Nan
some_total 1.5e-7

# HELP one Just one.
# TYPE one gauge
one 1
`,
  );
});

Deno.test("Tally counts each combination of labels by itself", () => {
  const counter = new Tally<"a" | "b">({
    name: "x_total",
    help: "X.",
    seen: [{ a: "1", b: "2" }],
  });
  counter.add({ a: "1", b: "3" });
  counter.add({ a: "1", b: "3" }, 4);
  assert.deepEqual([...counter.metric.samples], [
    { labels: { a: "1", b: "2" }, value: 0 },
    { labels: { a: "1", b: "3" }, value: 5 },
  ]);
});

Deno.test("Distribution counts into the buckets up to their bounds, each with those below it", async () => {
  const distribution = new Distribution({ name: "t_seconds", help: "T.", bounds: [0.1, 1] });
  for (const value of [0.05, 0.1, 0.5, 7]) distribution.observe(value);
  assert.equal(
    await formatMetrics([distribution.metric]),
    `# HELP t_seconds T.
# TYPE t_seconds histogram
t_seconds_bucket{le="0.1"} 2
t_seconds_bucket{le="1"} 3
t_seconds_bucket{le="+Inf"} 4
t_seconds_sum 7.65
t_seconds_count 4
`,
  );
});

Deno.test("processMetrics() has what the original's dashboard shows", () => {
  const metrics = new Map(
    processMetrics().map(({ name, type, samples }) => {
      const [{ value }] = samples as [{ value: number }];
      return [name, { type, value }];
    }),
  );
  const cpu = metrics.get("process_cpu_seconds_total")!;
  assert.equal(cpu.type, "counter");
  assert.ok(cpu.value > 0 && cpu.value < 3600, String(cpu.value));
  const memory = metrics.get("process_resident_memory_bytes")!;
  assert.equal(memory.type, "gauge");
  assert.ok(memory.value > 10e6 && memory.value < 10e9, String(memory.value));
  const start = metrics.get("process_start_time_seconds")!.value;
  assert.ok(start <= Date.now() / 1000 && start > Date.now() / 1000 - 86_400, String(start));
});
