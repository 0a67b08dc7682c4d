/** The one loop: whatever happens only marks; a round brings this node to what the objects say. */

import type { Backend, Change } from "../backend/backend.ts";
import type { Doubt, Ground, Report } from "../dataplane/dataplane.ts";
import { cniCompatibilityIP } from "../dataplane/tunnel.ts";
import type { Desired } from "../mesh/desired.ts";
import { discoverEndpoints } from "../mesh/discover.ts";
import { NO_ENDPOINTS } from "../mesh/discovered_endpoints.ts";
import { type CompleteNode, isComplete } from "../mesh/readiness.ts";
import type { Moment } from "../mesh/staleness.ts";
import type { IP } from "../net/ip.ts";
import { hostPrefix } from "../net/prefix.ts";
import type { Key } from "../net/key.ts";
import type { AddressFinder } from "./address_finder.ts";
import type { Kernel } from "./kernel.ts";
import { Handshakes } from "./handshakes.ts";
import { HostFiles } from "./host_files.ts";
import { localNode } from "./local_node.ts";
import { type Log, standingWarnings } from "./log.ts";
import { giveBackMemory } from "./memory.ts";
import { Members } from "./members.ts";
import type { AgentOptions } from "./options.ts";
import type { OwnFacts, Publisher } from "./publisher.ts";
import type { Resolver } from "./resolver.ts";
import { Trigger } from "./trigger.ts";
import { Truce } from "./truce.ts";
import { Wish } from "./wish.ts";

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
  /** A node may have gone stale, or there is something else to warn of. */
  | "members"
  /** Look at everything. */
  | "resync"
  /** The last round failed, or left something for later. */
  | "again"
  /** Nothing has happened for a while since much was done. */
  | "idle";

/** Milliseconds between looks at a device of up to {@link PEERS_A_LOOK} peers; rarer with more. */
const LOOK_PERIOD = 5000;
const PEERS_A_LOOK = 500;

/** Milliseconds until new peers have shaken hands, so that one behind NAT is seen. */
const FIRST_LOOK = 1000;

/** Milliseconds until a failed round is tried again; doubled each time, up to the resync period. */
const FIRST_RETRY = 200;

/** Milliseconds of quiet before memory is given back, and how many changes are worth that. */
const IDLE = 2000;
const MUCH = 100;

export interface ReconcilerParts {
  readonly options: AgentOptions;
  readonly key: { readonly privateKey: Key; readonly publicKey: Key };
  readonly backend: Backend;
  readonly kernel: Kernel;
  readonly addresses: AddressFinder;
  readonly resolver: Resolver;
  readonly publisher: Publisher;
  readonly log: Log;
}

export class Reconciler {
  readonly #parts: ReconcilerParts;
  readonly #trigger = new Trigger<Reason>();
  readonly #alarms = new Map<Reason, number>();
  readonly #members: Members;
  readonly #wish: Wish;
  readonly #handshakes = new Handshakes();
  readonly #files: HostFiles;
  /** What others changed since the last round. */
  readonly #doubts = new Set<Doubt | "CNI">();
  readonly #truce = new Truce<Doubt | "CNI">();
  readonly #warn: (present: Iterable<string>) => unknown;
  #reconciled: OwnFacts["reconciled"];
  #problems: readonly unknown[] = [];
  /** Changes made since memory was given back. */
  #work = MUCH;
  #retry = FIRST_RETRY;

  constructor(parts: ReconcilerParts) {
    const { options, resolver, kernel, log } = parts;
    this.#parts = parts;
    this.#members = new Members(options.hostname);
    this.#wish = new Wish(options, resolver);
    this.#warn = standingWarnings(log);
    this.#files = new HostFiles(options, {
      host: kernel.dataplane.host,
      changed: () => this.#doubt(["CNI"], "files"),
    });
  }

  /** The backend's cluster is another. */
  clusterChanged(change: Change): void {
    const cluster = this.#parts.backend.cluster();
    if (this.#members.update(cluster, change, now())) this.meshChanged();
    else if (change.nodes.includes(this.#parts.options.hostname)) this.#trigger.mark("mesh");
    else if (cluster.problems !== this.#problems) this.#trigger.mark("members");
    this.#problems = cluster.problems;
  }

  /** A name or an own address is another. */
  meshChanged(): void {
    this.#wish.forget();
    this.#trigger.mark("mesh");
  }

  /** Others changed something in the kernel. */
  kernelChanged(doubts: readonly Doubt[]): void {
    for (const doubt of doubts) this.#parts.kernel.dataplane.invalidate(doubt);
    this.#doubt(doubts, "kernel");
  }

  #doubt(doubts: readonly (Doubt | "CNI")[], reason: Reason): void {
    const open = doubts.filter((doubt) => !this.#truce.isSuspended(doubt));
    for (const doubt of open) this.#doubts.add(doubt);
    if (open.length > 0) this.#trigger.mark(reason);
  }

  /** Ends {@link run} after the round that is under way. */
  stop(): void {
    this.#trigger.close();
  }

  /** Round after round; a failed one is logged and tried again. Both lists must be complete. */
  async run(): Promise<void> {
    const { resyncPeriod } = this.#parts.options;
    this.#trigger.mark("resync");
    for (;;) {
      const reasons = await this.#trigger.next();
      if (!reasons) break;
      if (reasons.has("resync") || reasons.has("look")) this.#markIn("look", this.#lookPeriod());
      try {
        await this.#round(reasons);
        this.#retry = FIRST_RETRY;
      } catch (error) {
        this.#failed(error);
      }
      if (reasons.has("resync")) this.#markIn("resync", resyncPeriod);
      this.#markIn("members", this.#members.nextExpiry(now()));
    }
    for (const alarm of this.#alarms.values()) clearTimeout(alarm);
    this.#handshakes[Symbol.dispose]();
    this.#files[Symbol.dispose]();
  }

  #failed(error: unknown): void {
    const { kernel, log, options } = this.#parts;
    log.error("reconciling failed, trying again", { error });
    kernel.dataplane.invalidateAll();
    this.#markIn("again", this.#retry);
    this.#retry = Math.min(this.#retry * 2, options.resyncPeriod);
  }

  #markIn(reason: Reason, milliseconds: number | undefined): void {
    clearTimeout(this.#alarms.get(reason));
    if (milliseconds === undefined) return;
    this.#alarms.set(reason, setTimeout(() => this.#trigger.mark(reason), milliseconds));
  }

  #lookPeriod(): number {
    return LOOK_PERIOD * Math.max(1, this.#wish.peerCount / PEERS_A_LOOK);
  }

  async #round(reasons: ReadonlySet<Reason>): Promise<void> {
    const { kernel, kernel: { dataplane }, addresses, resolver } = this.#parts;
    if (reasons.has("idle")) this.#rest();
    if (reasons.size === 1 && reasons.has("idle")) return;
    const doubts = [...this.#doubts];
    this.#doubts.clear();
    if (this.#expire()) this.#wish.forget();
    else if (reasons.size === 1 && reasons.has("members")) return this.#tell();
    if (reasons.has("look")) dataplane.invalidate("wireguard");
    if (reasons.has("resync")) {
      this.#truce.resume();
      dataplane.invalidateAll();
      addresses.refresh();
      resolver.refresh();
    }
    const before = kernel.writes;
    const prepared = await this.#prepare();
    if (typeof prepared === "string") return this.#tell([prepared]);
    const { local, ground } = prepared;
    const isTended = reasons.has("resync") || reasons.has("files");
    const written = isTended ? await this.#files.tend(local) : 0;
    const wish = this.#wish.of(local, {
      members: this.#members,
      ground,
      discoveredAddress: addresses.found.internalIP,
      privateKey: this.#parts.key.privateKey,
    });
    if (typeof wish === "string") return this.#tell([wish]);
    await this.#apply(wish, { local, ground });
    const isRepair = [...reasons].every((reason) => reason === "kernel" || reason === "files");
    if (isRepair && kernel.writes + written > before) {
      this.#truce.repaired(doubts, performance.now());
    }
  }

  #rest(): void {
    this.#work = 0;
    giveBackMemory();
  }

  /** The devices and the local node, or why there is nothing to be done yet. */
  async #prepare(): Promise<{ local: CompleteNode; ground: Ground } | string> {
    const { options, backend, kernel: { dataplane }, addresses, publisher } = this.#parts;
    const { hostname } = options;
    const node = backend.cluster().nodes.get(hostname);
    const annotations = publisher.update(this.#own());
    if (!node || !annotations) {
      return `there is no Node ${hostname}: this node's mesh stays as it is`;
    }
    const discovered = addresses.found.internalIP?.ip;
    const annotated = localNode(node, { annotations, discoveredEndpoints: NO_ENDPOINTS });
    const ground = dataplane.prepare({ privateAddress: discovered ?? annotated.internalIP?.ip });
    const device = await dataplane.device.read();
    const local: CompleteNode | typeof annotated = {
      ...annotated,
      discoveredEndpoints: device
        ? discoverEndpoints(
          { nodes: [...this.#members.nodes], peers: [...this.#members.peers] },
          device,
        )
        : NO_ENDPOINTS,
    };
    if (isComplete(local)) return { local, ground };
    return `Node ${hostname} is not ready: it has no usable ${
      local.subnet ? "endpoint" : "spec.podCIDR"
    }`;
  }

  async #apply(wish: Desired, on: { local: CompleteNode; ground: Ground }): Promise<void> {
    const { kernel: { dataplane }, key, publisher, log } = this.#parts;
    const start = performance.now();
    const { publicKey } = key;
    const report = await dataplane.apply(wish, { ground: on.ground, now: Date.now(), publicKey });
    this.#reconciled = {
      ...wish.address && { wireGuardIP: wish.address },
      discoveredEndpoints: wish.isLeader ? on.local.discoveredEndpoints : NO_ENDPOINTS,
    };
    publisher.update(this.#own());
    const { added, again } = report.device;
    this.#handshakes.provoke(addressesOf(added, wish));
    if (added.length > 0) this.#markIn("look", FIRST_LOOK);
    if (again !== undefined) this.#markIn("again", again);
    const changes = changesOf(report);
    const sum = Object.values(changes).reduce((sum, count) => sum + count, 0);
    this.#work += sum;
    if (this.#work >= MUCH) this.#markIn("idle", IDLE);
    if (sum > 0) {
      const milliseconds = Math.round(performance.now() - start);
      log.info("the kernel follows the mesh", { leader: wish.isLeader, ...changes, milliseconds });
    }
    this.#tell([...wish.warnings, ...on.ground.warnings, ...report.warnings]);
  }

  #own(): OwnFacts {
    const { options, key, kernel: { dataplane }, addresses } = this.#parts;
    const { endpointIP, internalIP } = addresses.found;
    const cni = options.compatibility === "cilium" && internalIP
      ? cniCompatibilityIP(dataplane.host)
      : undefined;
    return {
      key: key.publicKey,
      granularity: options.meshGranularity,
      port: options.port,
      endpointIP,
      ...internalIP && { internalIP },
      ...cni && { cniCompatibilityIP: hostPrefix(cni) },
      ...this.#reconciled && { reconciled: this.#reconciled },
    };
  }

  /** Has a node gone stale? */
  #expire(): boolean {
    const { backend, publisher, log } = this.#parts;
    const live = backend.live && publisher.live;
    const expired = this.#members.expire(now(), { live, relists: backend.relists });
    for (const name of expired) {
      log.info("a node no longer checks in and leaves the mesh", { name });
    }
    return expired.length > 0;
  }

  /** Logs what is wrong now and was not before. */
  #tell(warnings: readonly string[] = []): void {
    const { backend, addresses, resolver } = this.#parts;
    this.#warn([
      ...backend.cluster().problems.map(({ text }) => text),
      ...addresses.problem ?? [],
      ...[...resolver.failures()].map(([name, why]) => `DNS name ${name}: ${why}`),
      ...this.#files.warnings,
      ...this.#truce.contested(performance.now()).map((kind) =>
        `something else keeps undoing our changes (${kind}): they are repaired each resync period only`
      ),
      ...warnings,
    ]);
  }
}

/** How many things of each kind were changed. */
function changesOf({ firewall, device, routes, rules }: Report) {
  return { firewall, device: device.changed, routes, rules };
}

/**
 * An address behind each of these peers; a segment's last one is its WireGuard address. Those that
 * have an interval shake hands by themselves when they get it.
 */
function addressesOf(keys: readonly Key[], { device }: Desired): IP[] {
  if (keys.length === 0) return [];
  const wanted = new Set(keys);
  return device.peers
    .filter((peer) => wanted.has(peer.publicKey) && peer.persistentKeepalive === 0)
    .flatMap(({ allowedIPs }) => allowedIPs.at(-1)?.ip ?? []);
}

function now(): Moment {
  return { monotonic: performance.now(), wall: Date.now() };
}
