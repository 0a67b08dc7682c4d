/** The agent from start to end, and the clean-up by itself. */

import { reportFailuresTo } from "../async/background.ts";
import { deadline } from "../async/deadline.ts";
import { DNSResolver } from "../dns/resolver.ts";
import { sleep } from "../async/sleep.ts";
import { openBackend } from "../backend/open.ts";
import { pages } from "../http/pages.ts";
import { limitsFor } from "../http/server/clients.ts";
import { HttpServer } from "../http/server/server.ts";
import { describeError } from "../net/text.ts";
import { raiseDescriptorLimit } from "../os/libc.ts";
import { publicKeyOf } from "../wireguard/key.ts";
import { AddressFinder } from "./address_finder.ts";
import { Kernel } from "./kernel.ts";
import { loadKey } from "./key.ts";
import { lockInterface, lockNamespace } from "./lock.ts";
import { configureLog, type Log, openLog } from "./log.ts";
import { Monitor } from "./monitor.ts";
import { lookupAddresses, lookupHost } from "./lookup.ts";
import type { AgentOptions } from "./options.ts";
import type { Standing } from "./membership.ts";
import { Publisher } from "./publisher.ts";
import { Reconciler } from "./reconciler.ts";
import { Resolver } from "./resolver.ts";
import { Servers } from "./servers.ts";
import { State } from "./state.ts";
import { stopSignal } from "./stop_signal.ts";
import { WarningLog } from "./warning_log.ts";

/** Milliseconds that a clean-up waits for the backend in all: after 10 s the agent has ended. */
const CLEAN_UP_TIMEOUT = 8000;

/** Milliseconds until a clean-up by itself tries again to annotate the own Node. */
const RETRY = 500;

/** What other machines ask over HTTP: it must leave time for check-ins and repairs. */
const VISITORS = { perSecond: 250, burst: 50 };

/** Runs until SIGINT or SIGTERM, then cleans up as the flags say. Rejects if it cannot start. */
export async function runAgent(options: AgentOptions): Promise<void> {
  configureLog(options.logLevel);
  const log = openLog("kilo");
  const descriptors = raiseDescriptorLimit();
  using stop = stopSignal();
  using lock = lockInterface(options.interface);
  using namespace = lockNamespace(options.interface);
  const monitor = new Monitor();
  using _failures = reportFailures(log, monitor);
  using _server = new HttpServer(options.listen, {
    handler: pages(monitor),
    limits: limitsFor(descriptors),
    rate: VISITORS,
  });
  using kernel = new Kernel(options, monitor.counts);
  const state = await State.open(log);
  const { key: privateKey, warning } = await loadKey(state.keyPath);
  if (warning !== undefined) log.warn(warning);
  const publicKey = await publicKeyOf(privateKey);

  const meshChanged = () => reconciler.meshChanged();
  using dns = new DNSResolver();
  const addresses = new AddressFinder(kernel.dataplane.host, {
    kiloInterface: options.interface,
    internalCidr: options.internalCidr,
    prioritisePrivateAddresses: options.prioritisePrivateAddresses,
    lookup: () => lookupHost(dns, options.hostname),
    memory: state,
    changed: meshChanged,
  });
  using resolver = new Resolver({
    lookup: (name) => lookupAddresses(dns, name),
    changed: meshChanged,
    period: options.resyncPeriod,
  });
  await using backend = openBackend(options.backend, options);
  const publisher = new Publisher(backend, {
    hostname: options.hostname,
    memory: state,
    log,
    monitor,
  });
  const standing = await findStanding(kernel);
  const servers = new Servers({
    host: kernel.dataplane.host,
    kiloInterface: options.interface,
    apiServer: () => backend.server,
    lookup: (name) => lookupHost(dns, name),
    changed: meshChanged,
  });
  await using reconciler = new Reconciler({
    standing,
    ...{ options, backend, kernel, addresses, resolver, servers, publisher, log, monitor },
    key: { privateKey, publicKey },
    startWarnings: [...lock.warnings, ...namespace.warnings],
  });
  log.info("starting", { hostname: options.hostname, interface: options.interface });

  monitor.parts.pending = "Nodes and Peers";
  const complete = backend.start((change) => reconciler.clusterChanged(change))
    .then(() => servers.find()); // before a route of ours can lead there
  if (await Promise.race([complete.then(() => "complete"), stop.requested]) !== "complete") return;
  monitor.parts.pending = "the first reconcile";
  const running = Promise.all([
    reconciler.run(),
    publisher.run(),
    kernel.watch((kinds) => reconciler.kernelChanged(kinds)),
  ]);
  await Promise.race([running, stop.requested]);
  monitor.parts.pending = "the end";
  reconciler.stop();
  publisher.stop();
  kernel.stopWatching();
  await running;
  if (options.cleanUp) {
    await cleanUp(kernel, {
      deleteInterface: options.cleanUpInterface,
      retract: () => publisher.retract(),
      log,
      monitor,
    });
  }
  log.info("stopped");
}

/** What the agent before left in the kernel; a start from nothing asks no device. */
async function findStanding({ dataplane }: Kernel): Promise<Standing> {
  const subnets = dataplane.destinations();
  if (subnets.length === 0) return { subnets, keys: new Set() };
  const device = await dataplane.device.read().catch(() => undefined); // the mesh will say why
  return { subnets, keys: new Set(device?.peers.map(({ publicKey }) => publicKey)) };
}

/** Undoes everything on this node, the interface and its Node's annotations included. */
export async function cleanUpNode(options: AgentOptions): Promise<void> {
  configureLog(options.logLevel);
  const log = openLog("kilo");
  using _lock = lockInterface(options.interface);
  using _namespace = lockNamespace(options.interface);
  const monitor = new Monitor();
  using kernel = new Kernel(options, monitor.counts);
  await using backend = openBackend(options.backend, options);
  const { hostname } = options;
  const memory = await State.open(log);
  const publisher = new Publisher(backend, { hostname, memory, log, monitor });
  const warnings = new WarningLog(log);
  const reportProblems = () => {
    if (backend.live) return;
    warnings.update(backend.cluster().problems, performance.now());
  };
  const retract = async () => {
    memory.chosen = {};
    // Neither Peers nor even the own Node need be there any more; an error of the start is that of the patch.
    backend.start(reportProblems).catch(() => {});
    await persistently(() => publisher.retract());
  };
  const isClean = await cleanUp(kernel, { deleteInterface: true, retract, log, monitor });
  if (!isClean) throw new Error("not everything could be cleaned up, see the log");
}

/** Work in the background ends nothing: what goes wrong with it is logged, once for each text, and counted. */
function reportFailures(log: Log, monitor: Monitor): Disposable {
  let last = "";
  return reportFailuresTo(({ what, error }) => {
    monitor.counts.failed("run");
    const text = `could not ${what}: ${describeError(error)}`;
    if (text !== last) log.error(`could not ${what}`, { error });
    last = text;
  });
}

/** Does what it can, in bounded time; false if something is left. */
async function cleanUp(
  { dataplane }: Kernel,
  options: {
    readonly deleteInterface: boolean;
    /** Takes the annotations away. */
    readonly retract: () => Promise<void>;
    readonly log: Log;
    readonly monitor: Monitor;
  },
): Promise<boolean> {
  const { deleteInterface, retract, log, monitor } = options;
  const failures = [...dataplane.cleanUp({ deleteInterface })];
  try {
    await inTime(retract(), "taking this node's annotations away");
  } catch (error) {
    failures.push(describeError(error));
  }
  failures.push(...dataplane.cleanUpTunnel());
  for (const failure of failures) log.error(`clean-up: ${failure}`);
  monitor.counts.failed("cleanUp", failures.length);
  return failures.length === 0;
}

/** Tries again while there is time: an API server may be away for a moment. */
async function persistently(action: () => Promise<void>): Promise<void> {
  const end = performance.now() + 0.8 * CLEAN_UP_TIMEOUT;
  for (;;) {
    try {
      return await action();
    } catch (error) {
      if (performance.now() + RETRY > end) throw error;
      await sleep(RETRY);
    }
  }
}

async function inTime(action: Promise<void>, what: string): Promise<void> {
  await deadline(action, { milliseconds: CLEAN_UP_TIMEOUT, what });
}
