/** The agent's pages: health, metrics, the mesh as a drawing, and an index of these. */

import { graphPage, type GraphSources } from "./graph.ts";
import type { HealthReport } from "./health.ts";
import { formatMetrics, type Metric, METRICS_TYPE } from "./metrics/exposition.ts";

/** Where the pages get what they show; called when somebody asks. */
export interface Sources extends GraphSources {
  health(): HealthReport;
  metrics(): Iterable<Metric>;
}

/** Answers requests of any method; unknown paths with the index. */
export function pages(sources: Sources): (request: Request) => Promise<Response> {
  const graph = graphPage(sources);
  return async ({ url }) => {
    const { pathname, searchParams } = new URL(url);
    switch (pathname) {
      case "/health":
        return Response.json(sources.health());
      case "/ready": {
        const report = sources.health();
        return Response.json(report, { status: report.ready ? 200 : 503 });
      }
      case "/metrics":
        return new Response(formatMetrics(sources.metrics()), {
          headers: { "content-type": METRICS_TYPE },
        });
      case "/graph":
        return await graph(searchParams);
      default:
        return new Response(INDEX, { headers: { "content-type": "text/html; charset=utf-8" } });
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
