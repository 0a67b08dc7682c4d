/** Brings this node to what the objects say: enqueues what happens, and does each pass of the loop. */

import { inBackground } from "../async/background.ts";
import type { ClusterChange } from "../backend/backend.ts";
import type { StateKind } from "../dataplane/dataplane.ts";
import { PartialFailure } from "../dataplane/failures.ts";
import { changesOf } from "../dataplane/report.ts";
import type { Desired } from "../mesh/desired.ts";
import type { Node } from "../mesh/node.ts";
import type { Prefix } from "../net/prefix.ts";
import { describeError } from "../net/text.ts";
import { DevicePolls } from "../dataplane/wireguard/device_polls.ts";
import { FirstPackets, probesOf } from "../dataplane/wireguard/first_packets.ts";
import { CurrentWarnings } from "./current_warnings.ts";
import { HostFiles } from "./host_files.ts";
import type { Log } from "./log.ts";
import { Membership, momentOf, type Standing } from "./membership.ts";
import type { Monitor } from "./monitor.ts";
import { forgetOwnFile, trimMemory } from "./memory_trim.ts";
import { type Applied, NodeMesh, type NodeMeshParts } from "./node_mesh.ts";
import { isRepair, type Reason, REASONS } from "./reasons.ts";
import { type PassSteps, ReconcileLoop } from "./reconcile_loop.ts";
import { RepairBackoff } from "./repair_backoff.ts";
import { View } from "./view.ts";
import { warning } from "../net/warning.ts";

/** Milliseconds from a change to the memory trim. Later changes do not postpone it. */
const TRIM_DELAY = 5000;

export interface ReconcilerParts extends NodeMeshParts {
  readonly standing: Standing;
  readonly log: Log;
  readonly monitor: Monitor;
}

type Reasons = ReadonlySet<Reason>;

/** What others may change, and we repair. */
type RepairKind = StateKind | "CNI";

export class Reconciler implements AsyncDisposable {
  readonly #parts: ReconcilerParts;
  readonly #loop: ReconcileLoop;
  readonly #membership: Membership;
  readonly #mesh: NodeMesh;
  readonly #view: View;
  readonly #firstPackets = new FirstPackets();
  readonly #polls = new DevicePolls();
  readonly #files: HostFiles;
  readonly #repairs = new RepairBackoff<RepairKind>({
    address: ["link"],
    route: ["link", "address"],
  });
  readonly #warnings: CurrentWarnings;
  /** The cluster's, when they were last reported. */
  #problems: readonly unknown[] = [];
  /** What the kernel was last brought to. */
  #applied: Desired | undefined;
  #isRunning = false;

  constructor(parts: ReconcilerParts) {
    const { options, kernel, monitor } = parts;
    this.#parts = parts;
    this.#loop = new ReconcileLoop(this.#steps(), { longestRetry: options.resyncPeriod });
    this.#membership = new Membership(options.hostname, parts);
    this.#mesh = new NodeMesh(parts, this.#membership);
    this.#view = new View({ ...parts, membership: this.#membership });
    monitor.show(this.#view);
    this.#files = new HostFiles(options, {
      host: kernel.dataplane.host,
      changed: () => this.#enqueueRepair(["CNI"], "files"),
    });
    this.#warnings = new CurrentWarnings({
      ...parts,
      others: [this.#files, this.#mesh],
      backedOff: (now) => this.#repairs.backedOff(now),
    }, parts);
  }

  /** The backend's cluster has changed. */
  clusterChanged(change: ClusterChange): void {
    const { backend, monitor, options: { hostname } } = this.#parts;
    monitor.backendChanged(backend);
    const cluster = backend.cluster();
    const own = cluster.nodes.get(hostname);
    if (!this.#isRunning && own && change.nodes.includes(own.name)) this.#writeFilesEarly(own);
    if (this.#membership.update(cluster, change, momentOf(this.#parts))) this.meshChanged();
    else if (change.nodes.includes(hostname)) this.#loop.add("mesh");
    else if (cluster.problems !== this.#problems) this.#warnings.report(); // before the first pass, too
    this.#problems = cluster.problems;
    if (this.#isRunning) this.#scheduleExpiry();
  }

  /** Pods can start while the agent still waits for the rest of the cluster. */
  #writeFilesEarly({ subnet }: Node): void {
    if (!subnet) return;
    inBackground("write the CNI configuration", async () => {
      await this.#reconcileFiles(subnet, { observe: true });
      this.#warnings.report();
    });
  }

  /** Returns how many files were written. */
  async #reconcileFiles(subnet: Prefix, options: { readonly observe: boolean }): Promise<number> {
    const written = await this.#files.reconcile(subnet, options);
    if (written > 0) this.#parts.log.info("the CNI configuration is put right");
    return written;
  }

  /** The address of a name, or an own address, has changed. */
  meshChanged(): void {
    this.#mesh.forget();
    this.#loop.add("mesh");
  }

  /** Others changed something in the kernel. */
  kernelChanged(kinds: readonly StateKind[]): void {
    this.#enqueueRepair(kinds, "kernel");
  }

  #enqueueRepair(kinds: readonly RepairKind[], reason: Reason): void {
    const admitted = this.#repairs.add(kinds);
    this.#invalidate(admitted);
    if (admitted.length > 0) this.#loop.add(reason);
  }

  #invalidate(kinds: readonly RepairKind[]): void {
    for (const kind of kinds) if (kind !== "CNI") this.#mesh.invalidate(kind);
  }

  /** Ends {@link run} after the current pass. */
  stop(): void {
    this.#loop.stop();
  }

  /** Resolves when none of its work uses the kernel any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#files[Symbol.asyncDispose]();
  }

  /** Pass after pass; a failed one is logged and retried. Both lists must be complete. */
  async run(): Promise<void> {
    using loop = this.#loop;
    using _firstPackets = this.#firstPackets;
    this.#isRunning = true;
    loop.add("resync");
    this.#scheduleTrim();
    await loop.run();
  }

  #steps(): PassSteps {
    const { kernel: { dataplane }, log } = this.#parts;
    return {
      defer: (reasons) => this.#mesh.findAddresses({ refresh: reasons.has("resync") }),
      begin: (reasons) => this.#begin(reasons),
      expire: () => this.#expire(),
      isInSync: () => dataplane.device.isInSync(Date.now()),
      skip: () => this.#warnings.report(),
      pass: (reasons) => this.#pass(reasons),
      failed: (error, context) => this.#failed(error, context),
      recovered: () => log.info("reconciling succeeds again"),
      ended: () => {
        this.#scheduleExpiry();
        this.#loop.addAfter("resume", this.#repairs.nextResume(performance.now()));
      },
    };
  }

  #begin(reasons: Reasons): void {
    const { options: { resyncPeriod } } = this.#parts;
    const now = performance.now();
    if (reasons.has("trim")) trimMemory();
    if (reasons.has("resync")) {
      forgetOwnFile(); // also before the first pass, which needs other parts of it, and most memory
      this.#loop.addAfter("resync", resyncPeriod);
    }
    for (const reason of reasons) this.#invalidateFor(reason, now);
    if (reasons.has("resync") || reasons.has("poll")) {
      this.#loop.addAfter("poll", this.#polls.polled(now, this.#mesh.peerCount));
    }
  }

  #invalidateFor(reason: Reason, now: number): void {
    switch (REASONS[reason].invalidates) {
      case "wireguard":
        return this.#parts.kernel.dataplane.invalidate("wireguard");
      case "backed off":
        return this.#invalidate(this.#repairs.resume(now));
      case "everything":
        this.#repairs.resumeAll();
        return this.#mesh.refresh();
    }
  }

  /** Drops nodes that are stale; returns whether there were any. */
  #expire(): boolean {
    const expired = this.#membership.expire(momentOf(this.#parts));
    for (const name of expired) {
      this.#parts.log.info("a node no longer checks in and leaves", { name });
    }
    if (expired.length > 0) this.#mesh.forget();
    return expired.length > 0;
  }

  async #pass(reasons: Reasons): Promise<void> {
    const { kernel, monitor } = this.#parts;
    using _attempt = monitor.counts.attempt(this.#view.count());
    const repairs = this.#repairs.take();
    const before = kernel.writes;
    const observed = await this.#mesh.observe();
    if (typeof observed === "string") return this.#stall(observed);
    const observe = reasons.has("resync") || repairs.has("CNI");
    const written = await this.#reconcileFiles(observed.local.subnet, { observe });
    const applied = await this.#mesh.apply(observed);
    if (typeof applied === "string") {
      monitor.counts.failed("apply");
      return this.#stall(applied);
    }
    const { desired, report } = applied;
    const kinds = kernel.writtenSince(before);
    if (isRepair(reasons) && kinds.size + written > 0) {
      this.#repairs.repaired(repairs, performance.now());
    }
    const isLater = reasons.has("retry") || reasons.has("follow-up"); // completes an earlier pass
    if (desired === this.#applied && !isLater) {
      monitor.repaired(kinds, { device: report.device.changed, files: written });
    }
    this.#followUp(applied);
    this.#warnings.report([
      ...desired.warnings,
      ...observed.hostDevices.warnings,
      ...report.warnings,
    ]);
    monitor.applied(report.refused, observed.hostDevices.tunnel);
    this.#applied = report.failures.length === 0 ? desired : undefined;
    if (report.failures.length > 0) throw new PartialFailure(report.failures);
    monitor.meshStands();
  }

  /** Nothing can be done now. */
  #stall(why: string): void {
    this.#parts.monitor.meshStalls(why);
    this.#warnings.report([warning("mesh", `node ${this.#parts.options.hostname}`, why)]);
  }

  /** Logs an error that repeats once; warnings report those of a part. */
  #failed(
    error: unknown,
    { reasons, isRepeated }: { readonly reasons: Reasons; readonly isRepeated: boolean },
  ): void {
    const { kernel, log, monitor } = this.#parts;
    monitor.counts.failed(isRepair(reasons) ? "run" : "apply");
    monitor.parts.fails("mesh", describeError(error));
    if (!(error instanceof PartialFailure) && !isRepeated) {
      log.error("reconciling failed, trying again", { error });
    }
    kernel.dataplane.invalidateAll();
  }

  /** What a change to the kernel leads to, a little later. */
  #followUp({ desired, report }: Applied): void {
    const { log, monitor } = this.#parts;
    const { added, again } = report.device;
    this.#firstPackets.send(probesOf(added, desired.device));
    if (added.length > 0) {
      this.#loop.addAfter("poll", this.#polls.added(performance.now(), this.#mesh.peerCount));
    }
    if (again !== undefined) this.#loop.addAfter("follow-up", again);
    const changes = changesOf(report);
    monitor.counts.applied(changes, { isLeader: desired.isLeader });
    const sum = Object.values(changes).reduce((sum, count) => sum + count, 0);
    if (sum === 0) return;
    this.#scheduleTrim();
    log.info("the kernel follows the mesh", { leader: desired.isLeader, ...changes });
  }

  #scheduleExpiry(): void {
    this.#loop.addAfter("expiry", this.#membership.nextExpiry(momentOf(this.#parts)));
  }

  /** Never rescheduled, or a busy mesh would starve it. */
  #scheduleTrim(): void {
    if (!this.#loop.isScheduled("trim")) this.#loop.addAfter("trim", TRIM_DELAY);
  }
}
