/** The one loop: whatever happens only marks; a round brings this node to what the objects say. */

import { inBackground } from "../async/background.ts";
import type { ClusterChange } from "../backend/backend.ts";
import type { StateKind } from "../dataplane/dataplane.ts";
import { PartialFailure } from "../dataplane/failures.ts";
import { changesOf } from "../dataplane/report.ts";
import type { Desired } from "../mesh/desired.ts";
import type { Node } from "../mesh/node.ts";
import type { Prefix } from "../net/prefix.ts";
import { describeError } from "../net/text.ts";
import { Alarms } from "./alarms.ts";
import { DevicePolls } from "../dataplane/wireguard/device_polls.ts";
import { FirstPackets, probesOf } from "../dataplane/wireguard/first_packets.ts";
import { HostFiles } from "./host_files.ts";
import type { Log } from "./log.ts";
import { Membership, momentOf, type Standing } from "./membership.ts";
import type { Monitor } from "./monitor.ts";
import { forgetOwnFile, trimMemory } from "./memory_trim.ts";
import { type Applied, NodeMesh, type NodeMeshParts } from "./node_mesh.ts";
import { RepairBackoff } from "./repair_backoff.ts";
import { Trigger } from "./trigger.ts";
import { View } from "./view.ts";
import { type Warning, warning } from "../net/warning.ts";
import { WarningLog } from "./warning_log.ts";

/** Why there is a round. */
type Reason =
  /** A node, a Peer, a name or an address is another. */
  | "mesh"
  /** Others changed something in the kernel. */
  | "kernel"
  /** Others touched the CNI configuration. */
  | "files"
  /** Look at the WireGuard device, whose changes nobody tells. */
  | "look"
  /** A node may have gone stale. */
  | "expiry"
  /** A repair backoff is over. */
  | "resume"
  /** Look at everything. */
  | "resync"
  /** The last round failed, or left something for later. */
  | "again"
  /** A change a while ago took memory, which can be returned now. */
  | "trim";

/** Reasons to put back what somebody else changed. */
const REPAIRS: readonly Reason[] = ["kernel", "files", "resume"];

/** Milliseconds until a failed round is tried again; doubled each time, up to the resync period. */
const FIRST_RETRY = 200;

/** Milliseconds from a change to the memory trim. Later changes do not postpone it. */
const TRIM_DELAY = 5000;

export interface ReconcilerParts extends NodeMeshParts {
  readonly standing: Standing;
  readonly log: Log;
  readonly monitor: Monitor;
}

export class Reconciler {
  readonly #parts: ReconcilerParts;
  readonly #trigger = new Trigger<Reason>();
  readonly #alarms = new Alarms<Reason>((reason) => this.#trigger.mark(reason));
  readonly #membership: Membership;
  readonly #mesh: NodeMesh;
  readonly #view: View;
  readonly #firstPackets = new FirstPackets();
  readonly #polls = new DevicePolls();
  readonly #files: HostFiles;
  readonly #repairs = new RepairBackoff<StateKind | "CNI">({
    address: ["link"],
    route: ["link", "address"],
  });
  readonly #warningLog: WarningLog;
  /** What the last round had to tell. */
  #warnings: readonly Warning[] = [];
  #problems: readonly unknown[] = [];
  #isTrimDue = false;
  #retry = FIRST_RETRY;
  /** What the kernel was last brought to. */
  #applied: Desired | undefined;
  #isRunning = false;
  /** Why the last round failed, if it did. */
  #failure: string | undefined;

  constructor(parts: ReconcilerParts) {
    const { options, kernel, log, monitor } = parts;
    this.#parts = parts;
    this.#membership = new Membership(options.hostname, parts);
    this.#mesh = new NodeMesh(parts, this.#membership);
    this.#view = new View({ ...parts, membership: this.#membership });
    monitor.show(this.#view);
    this.#warningLog = new WarningLog(log);
    this.#files = new HostFiles(options, {
      host: kernel.dataplane.host,
      changed: () => this.#raise(["CNI"], "files"),
    });
  }

  /** The backend's cluster is another. */
  clusterChanged(change: ClusterChange): void {
    const { backend, monitor } = this.#parts;
    monitor.backendChanged(backend);
    const cluster = backend.cluster();
    const own = cluster.nodes.get(this.#parts.options.hostname);
    if (!this.#isRunning && own && change.nodes.includes(own.name)) this.#tendEarly(own);
    if (this.#membership.update(cluster, change, momentOf(this.#parts))) this.meshChanged();
    else if (change.nodes.includes(this.#parts.options.hostname)) this.#trigger.mark("mesh");
    else if (cluster.problems !== this.#problems) this.#tell(); // also before the first round
    this.#problems = cluster.problems;
    if (this.#isRunning) {
      this.#alarms.set("expiry", this.#membership.nextExpiry(momentOf(this.#parts)));
    }
  }

  /** Pods can start while the agent still waits for the rest of what it must know. */
  #tendEarly({ subnet }: Node): void {
    if (!subnet) return;
    inBackground("look after the CNI configuration", async () => {
      await this.#tendFiles(subnet, { observe: true });
      this.#tell();
    });
  }

  /** How many files were not as they should be. */
  async #tendFiles(subnet: Prefix, options: { readonly observe: boolean }): Promise<number> {
    const written = await this.#files.reconcile(subnet, options);
    if (written > 0) this.#parts.log.info("the CNI configuration is put right");
    return written;
  }

  /** A name or an own address is another. */
  meshChanged(): void {
    this.#mesh.forget();
    this.#trigger.mark("mesh");
  }

  /** Others changed something in the kernel. */
  kernelChanged(kinds: readonly StateKind[]): void {
    this.#raise(kinds, "kernel");
  }

  #raise(kinds: readonly (StateKind | "CNI")[], reason: Reason): void {
    const raised = this.#repairs.add(kinds);
    this.#invalidate(raised);
    if (raised.length > 0) this.#trigger.mark(reason);
  }

  #invalidate(kinds: readonly (StateKind | "CNI")[]): void {
    for (const kind of kinds) if (kind !== "CNI") this.#mesh.invalidate(kind);
  }

  /** Ends {@link run} after the round that is under way. */
  stop(): void {
    this.#trigger.close();
  }

  /** Round after round; a failed one is logged and tried again. Both lists must be complete. */
  async run(): Promise<void> {
    using _alarms = this.#alarms;
    using _firstPackets = this.#firstPackets;
    using _files = this.#files;
    this.#isRunning = true;
    this.#trigger.mark("resync");
    this.#expectTrim();
    for (;;) {
      const reasons = await this.#trigger.next();
      if (!reasons) return;
      if (this.#defer(reasons)) continue;
      this.#setAlarms(reasons);
      try {
        await this.#round(reasons);
        this.#succeeded();
      } catch (error) {
        this.#failed(error, reasons);
      }
      this.#alarms.set("expiry", this.#membership.nextExpiry(momentOf(this.#parts)));
      this.#alarms.set("resume", this.#repairs.nextResume(performance.now()));
    }
  }

  /** Defers the pass for a moment if an own address has gone, and its replacement may come. */
  #defer(reasons: ReadonlySet<Reason>): boolean {
    const wait = this.#mesh.findAddresses({ refresh: reasons.has("resync") });
    if (wait !== undefined) reasons.forEach((reason) => this.#alarms.set(reason, wait));
    return wait !== undefined;
  }

  #setAlarms(reasons: ReadonlySet<Reason>): void {
    const isResync = reasons.has("resync");
    if (isResync) this.#alarms.set("resync", this.#parts.options.resyncPeriod);
    if (!isResync && !reasons.has("look")) return;
    this.#alarms.set("look", this.#polls.polled(performance.now(), this.#mesh.peerCount));
  }

  #succeeded(): void {
    if (this.#failure !== undefined) this.#parts.log.info("reconciling succeeds again");
    this.#failure = undefined;
    this.#retry = FIRST_RETRY;
  }

  /** However often it fails for one reason, that is said once. */
  #failed(error: unknown, reasons: ReadonlySet<Reason>): void {
    const { kernel, log, options, monitor } = this.#parts;
    const failure = describeError(error);
    monitor.counts.failed(isOnly(reasons, REPAIRS) ? "run" : "apply");
    monitor.parts.fails("mesh", failure);
    const isTold = error instanceof PartialFailure || failure === this.#failure;
    if (!isTold) log.error("reconciling failed, trying again", { error });
    this.#failure = failure;
    kernel.dataplane.invalidateAll();
    this.#alarms.set("again", this.#retry);
    this.#retry = Math.min(this.#retry * 2, options.resyncPeriod);
  }

  async #round(reasons: ReadonlySet<Reason>): Promise<void> {
    if (reasons.has("trim")) this.#trimMemory();
    if (isOnly(reasons, ["trim"]) && !this.#failure) return;
    const { dataplane } = this.#parts.kernel;
    if (reasons.has("look")) dataplane.invalidate("wireguard");
    if (
      isOnly(reasons, ["look"]) && !this.#failure && await dataplane.device.isInSync(Date.now())
    ) {
      return this.#tell();
    }
    if (reasons.has("resume")) this.#invalidate(this.#repairs.resume(performance.now()));
    const raised = this.#repairs.take();
    if (this.#expire()) this.#mesh.forget();
    else if (isOnly(reasons, ["expiry"]) && !this.#failure) return this.#tell();
    this.#lookAgain(reasons);
    using _attempt = this.#parts.monitor.counts.attempt(this.#view.count());
    await this.#reconcile(reasons, raised);
  }

  async #reconcile(
    reasons: ReadonlySet<Reason>,
    raised: ReadonlySet<StateKind | "CNI">,
  ): Promise<void> {
    const { kernel, monitor } = this.#parts;
    const before = kernel.writes;
    const observed = await this.#mesh.observe();
    if (typeof observed === "string") return this.#stall(observed);
    const observe = reasons.has("resync") || raised.has("CNI");
    const written = await this.#tendFiles(observed.local.subnet, { observe });
    const applied = await this.#mesh.apply(observed);
    if (typeof applied === "string") {
      monitor.counts.failed("apply");
      return this.#stall(applied);
    }
    const { desired, report } = applied;
    const kinds = kernel.writtenSince(before);
    if (isOnly(reasons, REPAIRS) && kinds.size + written > 0) {
      this.#repairs.repaired(raised, performance.now());
    }
    if (desired === this.#applied && !reasons.has("again")) {
      monitor.repaired(kinds, { device: report.device.changed, files: written });
    }
    this.#followUp(applied);
    this.#tell([...desired.warnings, ...observed.hostDevices.warnings, ...report.warnings]);
    monitor.applied(report.refused, observed.hostDevices.tunnel);
    this.#applied = report.failures.length === 0 ? desired : undefined;
    if (report.failures.length > 0) throw new PartialFailure(report.failures);
    monitor.meshStands();
  }

  /** Nothing can be done now. */
  #stall(why: string): void {
    this.#parts.monitor.meshStalls(why);
    this.#tell([warning("mesh", `node ${this.#parts.options.hostname}`, why)]);
  }

  /** Has a node gone stale? */
  #expire(): boolean {
    const { log } = this.#parts;
    const expired = this.#membership.expire(momentOf(this.#parts));
    for (const name of expired) log.info("a node no longer checks in and leaves", { name });
    return expired.length > 0;
  }

  #lookAgain(reasons: ReadonlySet<Reason>): void {
    if (!reasons.has("resync")) return;
    forgetOwnFile(); // also before the first round, which needs other parts of it, and most memory
    this.#repairs.resumeAll();
    this.#mesh.refresh();
  }

  /** What a change to the kernel leads to, a little later. */
  #followUp({ desired, report }: Applied): void {
    const { added, again } = report.device;
    this.#firstPackets.send(probesOf(added, desired.device));
    if (added.length > 0) {
      this.#alarms.set("look", this.#polls.added(performance.now(), this.#mesh.peerCount));
    }
    if (again !== undefined) this.#alarms.set("again", again);
    const changes = changesOf(report);
    this.#parts.monitor.counts.applied(changes, { isLeader: desired.isLeader });
    const sum = Object.values(changes).reduce((sum, count) => sum + count, 0);
    if (sum === 0) return;
    this.#expectTrim();
    this.#parts.log.info("the kernel follows the mesh", { leader: desired.isLeader, ...changes });
  }

  /** Never rescheduled, or a busy mesh would starve it. */
  #expectTrim(): void {
    if (!this.#isTrimDue) this.#alarms.set("trim", TRIM_DELAY);
    this.#isTrimDue = true;
  }

  #trimMemory(): void {
    this.#isTrimDue = false;
    trimMemory();
  }

  /** Logs what is wrong now and was not before. */
  #tell(warnings: readonly Warning[] = this.#warnings): void {
    const { backend, monitor, resolver } = this.#parts;
    const time = performance.now();
    this.#warnings = warnings;
    const present = [
      backend.cluster().problems,
      [...resolver.failures()].map(([name, why]) => {
        const subject = `DNS name ${name}`;
        return warning("dns", subject, `${subject}: ${why}`);
      }),
      this.#files.warnings,
      this.#mesh.warnings,
      this.#repairs.backedOff(time).map((kind) =>
        warning(
          "conflict",
          kind,
          `something else keeps undoing our changes (${kind}): they are repaired less and less often`,
        )
      ),
      warnings,
    ].flat();
    monitor.warnings = present;
    this.#warningLog.update(present, time);
  }
}

/** Is there no reason but these? */
function isOnly(reasons: ReadonlySet<Reason>, these: readonly Reason[]): boolean {
  return [...reasons].every((reason) => these.includes(reason));
}
