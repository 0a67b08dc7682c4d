/**
 * Metrics as text that Prometheus reads, written by prom-client. It is loaded when somebody asks for
 * the first time: before that the agent only counts, which needs no library.
 */

/** The media type of {@link formatMetrics}. */
export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** All series of one name. */
export interface Metric {
  readonly name: string;
  /** What it counts or measures, in a line. */
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly samples: Iterable<Sample>;
}

export interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
  /** What a histogram adds to its name. */
  readonly suffix?: "_bucket" | "_sum" | "_count";
}

/** A metric without labels. */
export function single(
  type: "counter" | "gauge",
  { name, help, value }: { readonly name: string; readonly help: string; readonly value: number },
): Metric {
  return { name, help, type, samples: [{ value }] };
}

/** What is used of prom-client: its registry takes whatever shows itself as its metrics do. */
type Registry = new () => {
  registerMetric(metric: { readonly name: string; get(): Promise<unknown> }): void;
  metrics(): Promise<string>;
};

/** Loads the library, the first time. */
export async function loadRegistry(): Promise<Registry> {
  return (await import("prom-client/lib/registry.js")).default;
}

/** In the exposition format, version 0.0.4. */
export async function formatMetrics(metrics: Iterable<Metric>): Promise<string> {
  const Registry = await loadRegistry();
  const registry = new Registry();
  for (const metric of metrics) {
    registry.registerMetric({ name: metric.name, get: () => Promise.resolve(valuesOf(metric)) });
  }
  return await registry.metrics();
}

/** As prom-client's own metrics show themselves to its registry. */
function valuesOf({ name, help, type, samples }: Metric) {
  const values = Array.from(samples, ({ suffix = "", labels = {}, value }) => (
    { metricName: name + suffix, labels, value }
  ));
  return { name, help, type, values };
}
