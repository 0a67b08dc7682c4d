/** The agent's pages: health, metrics, the mesh as a drawing, and an index of these. */

import { graphPage, type GraphSources } from "./graph.ts";
import type { HealthReport } from "./health.ts";
import { formatMetrics, loadRegistry, type Metric, METRICS_TYPE } from "./metrics/exposition.ts";
import { reuse } from "./reuse.ts";
import { type Handler, type HttpResponse, jsonResponse } from "./server/message.ts";

/** Where the pages get what they show; called when somebody asks. */
export interface Sources extends GraphSources {
  health(): HealthReport;
  metrics(): Iterable<Metric>;
}

/** Answers requests of any method; unknown paths with the index. */
export function pages(sources: Sources): Handler {
  const graph = graphPage(sources);
  const metrics = reuse(async () =>
    new TextEncoder().encode(await formatMetrics(sources.metrics()))
  );
  return async ({ path, query }) => {
    switch (path) {
      case "/health":
        return jsonResponse(200, sources.health());
      case "/ready": {
        const report = sources.health();
        return jsonResponse(report.ready ? 200 : 503, report);
      }
      case "/metrics":
        await loadRegistry(); // or its time would count as that of the metrics
        return { status: 200, type: METRICS_TYPE, body: await metrics() };
      case "/graph":
        return await graph(query);
      default:
        return INDEX_PAGE;
    }
  };
}

const INDEX = `<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>kg</title>
<h1>kg</h1>
<ul>
<li><a href="/health">/health</a>: what works, what does not
<li><a href="/ready">/ready</a>: the same, with status 503 while this node is of no use to the mesh
<li><a href="/metrics">/metrics</a>: for Prometheus
<li><a href="/graph">/graph</a>: the mesh as a drawing; also
  <a href="/graph?layout=neato">/graph?layout=neato</a>,
  <a href="/graph?format=dot">/graph?format=dot</a>,
  <a href="/graph?format=json">/graph?format=json</a>
</ul>
</html>
`;

const INDEX_PAGE: HttpResponse = { status: 200, type: "text/html; charset=utf-8", body: INDEX };
