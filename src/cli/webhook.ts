import { configureLog, LOG_LEVELS, openLog } from "../agent/log.ts";
import { trimMemory } from "../agent/memory_trim.ts";
import { stopSignal } from "../agent/stop_signal.ts";
import { reportFailuresTo } from "../async/background.ts";
import { HttpsServer } from "../http/https_server.ts";
import { formatMetrics, METRICS_TYPE } from "../http/metrics/exposition.ts";
import { processMetrics } from "../http/metrics/process.ts";
import type { ClientLimits } from "../http/server/clients.ts";
import { type HttpRequest, type HttpResponse, textResponse } from "../http/server/message.ts";
import { HttpServer } from "../http/server/server.ts";
import { Webhook } from "../http/webhook.ts";
import { raiseDescriptorLimit } from "../os/libc.ts";
import { command } from "./command.ts";
import { boolean, choice, listenAddress, text } from "./flag.ts";
import { type FlagValues, UsageError } from "./flags.ts";

/** Milliseconds that requests get to end after a signal. */
const STOP_TIMEOUT = 3000;

/** Connections of those who ask for metrics. */
const METRICS_LIMITS: ClientLimits = { total: 16, reserved: 4 };

const FLAGS = {
  "cert-file": text(undefined, { placeholder: "file", help: "the certificate, in PEM" }),
  "key-file": text(undefined, { placeholder: "file", help: "its private key, in PEM" }),
  "listen": listenAddress(":8443", { help: "answer the API server here, over TLS" }),
  "listen-metrics": listenAddress(":1107", { help: "serve metrics here, without TLS" }),
  "log-level": choice("info", { words: LOG_LEVELS, help: "how much to log" }),
  "version": boolean(false, { letter: "v", help: "print the version" }),
};

export const webhook = command({
  name: "webhook",
  summary: "Tell the API server whether Peers are valid, until SIGINT or SIGTERM.",
  flags: FLAGS,
  run: runWebhook,
});

async function runWebhook(values: FlagValues<typeof FLAGS>): Promise<void> {
  const { certFile, keyFile } = values;
  if (certFile === undefined) throw new UsageError("--cert-file is missing");
  if (keyFile === undefined) throw new UsageError("--key-file is missing");
  configureLog(values.logLevel);
  const log = openLog("kilo");
  const descriptors = raiseDescriptorLimit();
  using stop = stopSignal();
  using _failures = reportFailuresTo(({ what, error }) =>
    log.error(`could not ${what}`, { error })
  );

  const webhook = new Webhook({
    trimMemory,
    reviewed: ({ operation, name, answer: { response } }) =>
      log.debug("reviewed a Peer", { operation, name, ...response }),
    failed: (problem) => log.error(`a request could not be answered: ${problem}`),
  });
  using metrics = new HttpServer(values.listenMetrics, {
    handler: (request) => serveMetrics(request, webhook),
    limits: METRICS_LIMITS,
  });
  const server = await HttpsServer.open(values.listen, {
    ...{ certFile, keyFile, descriptors },
    handler: (request) => webhook.answer(request),
    renewed: (problem) => {
      if (problem) log.warn(`${problem.message}; the one before stays in use`);
      else log.info("the certificate was renewed", { certFile });
    },
  });
  for (const name of ["ffi", "write", "sys", "env"] as const) {
    await Deno.permissions.revoke({ name });
  }
  log.info("listening", { port: server.port, metricsPort: metrics.port });

  await stop.requested;
  await server.stop(STOP_TIMEOUT);
  log.info("stopped");
}

async function serveMetrics(
  { path }: HttpRequest,
  webhook: Webhook,
): Promise<HttpResponse> {
  if (path !== "/metrics") return textResponse(404, "not found");
  const body = await formatMetrics([...webhook.metrics, ...processMetrics()]);
  return { status: 200, type: METRICS_TYPE, body };
}
