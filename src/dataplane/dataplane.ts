/** The whole of what this node's kernel has of the mesh, and the order in which it is changed. */

import type { DeviceConfig } from "../net/device.ts";
import type { IP } from "../net/ip.ts";
import type { Prefix } from "../net/prefix.ts";
import type { Desired } from "../mesh/desired.ts";
import type { Encapsulator } from "../mesh/encapsulation.ts";
import type { Connection } from "../netlink/connection.ts";
import type { EventKind, KernelEvents } from "../netlink/events.ts";
import type { Link } from "../netlink/link.ts";
import type { DiffOptions } from "../wireguard/diff.ts";
import type { Result } from "./applier.ts";
import { affectsMesh, type EventFilter, eventFilter, type OwnAddresses } from "./event_filter.ts";
import type { Device, DeviceReport } from "./wireguard/device.ts";
import { explainDevice, type HolderOfPort } from "./wireguard/device_error.ts";
import { Failures, failuresOf } from "./failures.ts";
import type { FirewallApplier, FirewallApplyOptions } from "./firewall/applier.ts";
import type { FlowApplier } from "./flow_applier.ts";
import { Host } from "./host.ts";
import { HostFactsObserver } from "./host_facts.ts";
import {
  ensureInterface,
  type InterfaceSettings,
  interfaceWarnings,
  setAddress,
} from "./interface.ts";
import { OwnSources } from "./own_sources.ts";
import { type Devices, ResolutionCache, resolveRoutes } from "./resolve.ts";
import type { HostDevices, Report } from "./report.ts";
import { RouteApplier } from "./routes.ts";
import { RuleApplier } from "./rules.ts";
import { Stopwatch } from "./stopwatch.ts";
import { Tunnel, tunnelWarnings } from "./tunnel.ts";
import { warning } from "../net/warning.ts";

export interface Parts {
  /** To rtnetlink. */
  readonly connection: Connection;
  readonly device: Device;
  readonly firewall: FirewallApplier;
  readonly flows: FlowApplier;
  /** Who holds a UDP port, in words, if it can be known. */
  readonly holderOfPort?: HolderOfPort;
}

export interface DataplaneSettings {
  readonly interface: InterfaceSettings;
  /** Absent: packets inside a location are never encapsulated. */
  readonly encapsulator?: Encapsulator;
}

export type { HostDevices, Report } from "./report.ts";

const UNCHANGED: DeviceReport = { changed: 0, added: [] };
const NOTHING: Result = { changed: 0, refused: 0, warnings: [] };

/** The state that may have changed: a kernel event says so, or it is time to poll WireGuard. */
export type StateKind = EventKind | "wireguard";

/** What one part refuses costs only what depends on it; reading the host's devices may throw a NetlinkError. */
export class Dataplane {
  readonly host: Host;
  readonly device: Device;
  /** What the host is built on. */
  readonly facts: HostFactsObserver;
  /** How long the parts of the kernel took to apply so far. */
  readonly watch = new Stopwatch(["firewall", "device", "routes", "rules", "flows"]);
  readonly #settings: DataplaneSettings;
  readonly #firewall: FirewallApplier;
  readonly #flows: FlowApplier;
  readonly #routes: RouteApplier;
  readonly #rules: RuleApplier;
  readonly #tunnel: Tunnel | undefined;
  readonly #sources = new OwnSources();
  readonly #holderOfPort: HolderOfPort | undefined;
  /** Index of the interface whose device is known. */
  #kilo: number | undefined;
  /** Undefined: the host was not observed yet. */
  #filter: EventFilter | undefined;
  #hasTakenOver = false;
  readonly #resolution: ResolutionCache;

  constructor(parts: Parts, settings: DataplaneSettings) {
    const { connection, device, firewall, flows } = parts;
    const { encapsulator } = settings;
    this.host = new Host(connection);
    this.facts = new HostFactsObserver(this.host, { kiloInterface: settings.interface.name });
    this.device = device;
    this.#settings = settings;
    this.#resolution = new ResolutionCache(settings.interface.name);
    this.#firewall = firewall;
    this.#flows = flows;
    this.#holderOfPort = parts.holderOfPort;
    this.#routes = new RouteApplier(connection);
    this.#rules = new RuleApplier(connection);
    this.#tunnel = encapsulator && new Tunnel(this.host, encapsulator);
  }

  /** Where the kernel's routes of ours lead, whoever made them. */
  destinations(): readonly Prefix[] {
    return this.#routes.destinations();
  }

  /** May these events have changed something we made, or build on? */
  affectsMesh(events: KernelEvents): boolean {
    return affectsMesh(events, this.#filter);
  }

  /** This is observed again in the next pass. */
  invalidate(kind: StateKind): void {
    switch (kind) {
      case "link":
      case "address":
      case "route":
        this.host.invalidate(kind);
        // Routes go with their device or source address, and no event tells.
        return this.#routes.invalidate();
      case "rule":
        return this.#rules.invalidate();
      case "nftables":
        return this.#firewall.invalidate();
      case "wireguard":
        return this.device.invalidate();
    }
  }

  /** Everything is observed again, and what was refused or not supported is tried again. */
  invalidateAll(): void {
    for (const kind of ["link", "rule", "wireguard"] as const) this.invalidate(kind);
    this.#firewall.verify();
    this.#tunnel?.invalidate();
  }

  /**
   * Finds the host's devices, and makes those of ours that are missing. Without a private address on
   * this host nothing is encapsulated.
   */
  observeHost(own: OwnAddresses): HostDevices {
    const { privateAddress, source } = own;
    const failures = new Failures();
    const kilo = ensureInterface(this.host, this.#settings.interface, failures);
    if (kilo?.index !== this.#kilo) this.device.invalidate();
    this.#kilo = kilo?.index;
    const holder = privateAddress && this.host.holderOf(privateAddress);
    const tunnel = holder && this.#tunnel?.ensure(holder, failures);
    const { name: interfaceName } = this.#settings.interface;
    if (this.#sources.hasLost(this.host, { interfaceName })) this.device.forgetSources();
    this.#filter = {
      ...eventFilter(this.host, own, { interfaceName }),
      isRival: (route) => this.#routes.isRival(route),
    };
    return {
      kilo,
      private: holder,
      hasSource: source !== undefined && this.host.canSendFrom(source),
      tunnel,
      warnings: [
        ...interfaceWarnings(this.host, this.#settings.interface),
        ...tunnelWarnings(tunnel),
      ],
      failures: failures.all,
    };
  }

  /**
   * Makes the kernel what is desired, in this order, so that no packet is lost on the way:
   *
   * 1. The tunnel's address.
   * 2. The firewall's additions: whom to accept and whom not to masquerade. Nothing is removed yet.
   *    Flows that are no longer masqueraded are forgotten before packets go there.
   * 3. A leader's interface and WireGuard device.
   * 4. Routes and policy rules.
   * 5. A follower's interface goes down: no route needs it any more.
   * 6. The rest of the firewall. Masquerading comes last, because connections remember it.
   * 7. Once: what the original agent left of its firewall goes.
   *
   * A step that fails is reported, and the others are made. While the device cannot be configured,
   * routes through it stay as they are.
   */
  async apply(
    desired: Desired,
    { hostDevices, ...options }: { readonly hostDevices: HostDevices } & DiffOptions,
  ): Promise<Report> {
    const { kilo } = hostDevices;
    const failures = new Failures(hostDevices.failures);
    failures.contain("tunnel", () => this.#addressTunnel(desired, hostDevices), undefined);
    const begun = await this.#changeFirewall(desired, { stage: "begin", failures });
    const device = desired.isLeader && kilo
      ? await this.watch.time("device", () => this.#lead(kilo, desired, { ...options, failures }))
      : UNCHANGED;
    const { routes, rules, warnings } = this.#route(desired, hostDevices, failures);
    if (!desired.isLeader && kilo) {
      failures.contain("interface", () => this.#follow(kilo), undefined);
    }
    const completed = await this.#changeFirewall(desired, { stage: "complete", failures });
    await failures.containAsync("firewall", () => this.#takeOver(), undefined);
    return {
      firewall: begun.firewall + completed.firewall,
      device,
      routes: routes.changed,
      rules: rules.changed,
      flows: begun.flows + completed.flows,
      refused: { routes: routes.refused, rules: rules.refused },
      failures: failures.all,
      warnings: [
        ...failures.all.map((failure) => failure.warning),
        ...warnings,
        ...routes.warnings,
        ...rules.warnings,
        ...this.#firewall.warnings,
        ...this.#flows.warnings,
        ...this.device.problem
          ? [warning("device", this.#settings.interface.name, this.device.problem.message)]
          : [],
      ],
    };
  }

  /**
   * Takes out all of ours but the tunnel. The interface stays as it is, unless it is to be deleted,
   * so that peers keep their sessions over a restart. Does what it can; returns what it could not.
   */
  cleanUp({ deleteInterface }: { readonly deleteInterface: boolean }): readonly string[] {
    this.host.invalidate("link");
    const kilo = () => this.host.link(this.#settings.interface.name);
    return failuresOf([
      () => void this.#firewall.remove(),
      () => this.#rules.remove().warnings.map(({ text }) => text),
      () => this.#routes.remove(this.#present(kilo())).warnings.map(({ text }) => text),
      () => {
        const link = deleteInterface && kilo();
        if (link) this.host.deleteLink(link);
      },
    ]);
  }

  /** The last step of a clean-up; returns what it could not do. */
  cleanUpTunnel(): readonly string[] {
    return failuresOf([() => this.#tunnel?.cleanUp()]);
  }

  /** The devices by which the original agent's routes are known. */
  #present(kilo: Link | undefined): Devices {
    return { kilo: kilo?.index, tunnel: this.#tunnel?.find()?.index };
  }

  async #changeFirewall(
    { firewall }: Desired,
    { failures, ...options }: FirewallApplyOptions & { readonly failures: Failures },
  ): Promise<Pick<Report, "firewall" | "flows">> {
    const apply = () => this.#firewall.apply(firewall, options);
    const changes = this.watch.time("firewall", () => failures.contain("firewall", apply, []));
    const follow = () => this.#flows.follow(changes, this.#firewall.sets);
    const contained = () => failures.containAsync("firewall", follow, 0);
    return { firewall: changes.length, flows: await this.watch.time("flows", contained) };
  }

  /** Once our firewall is in force; tried each time until it is done. */
  async #takeOver(): Promise<void> {
    if (this.#hasTakenOver || !this.#firewall.isInForce) return;
    const wasThere = this.#firewall.takeOver().length > 0;
    this.#hasTakenOver = true;
    if (wasThere) await this.#flows.followOthers(this.#firewall.sets);
  }

  #addressTunnel({ tunnelAddress }: Desired, { tunnel }: HostDevices): void {
    if (tunnel?.state === "ready" && tunnelAddress) {
      this.#tunnel?.setAddress(tunnel.link, tunnelAddress);
    }
  }

  async #lead(
    kilo: Link,
    { address, device, routes: staying }: Desired,
    { failures, ...options }: DiffOptions & { readonly failures: Failures },
  ): Promise<DeviceReport> {
    const isReaddressed = address !== undefined &&
      failures.contain("interface", () => setAddress(this.host, kilo, address), false);
    // As long as it was down nobody had us for a peer.
    if (!kilo.up) this.device.resetSessions();
    // A stale route to where a peer is now may lead into the tunnel, or for a follower through its
    // leader. The first handshakes would bind both ends to addresses inside the tunnel: an endless loop.
    const beforeSending = (to: readonly IP[]) => {
      this.#routes.removeRoutesTo(to, { staying });
      // An endpoint inside a network that is routed there needs its own route before WireGuard sends.
      const direct = staying.filter(({ oif }) => oif !== undefined);
      this.#routes.addAhead(resolveRoutes(direct, {}).entries);
    };
    try {
      const hasRoute = (to: IP) => this.host.hasRoute(to);
      const report = await this.device.apply(device, { ...options, beforeSending, hasRoute });
      if (!kilo.up) beforeSending(endpointsOf(device));
      const cameUp = this.host.changeLink(kilo, { up: true });
      if (isReaddressed || cameUp) this.#routes.invalidate();
      return report;
    } catch (error) {
      if (isReaddressed) this.#routes.invalidate();
      const { name } = this.#settings.interface;
      const { listenPort } = device;
      const holderOfPort = this.#holderOfPort;
      failures.add("device", await explainDevice(error, { name, listenPort, holderOfPort }));
      return UNCHANGED;
    }
  }

  #route(desired: Desired, hostDevices: HostDevices, failures: Failures) {
    const { tunnel } = hostDevices;
    const devices: Devices = {
      kilo: hostDevices.kilo?.index,
      private: hostDevices.private?.index,
      tunnel: tunnel?.state === "ready" ? tunnel.link.index : undefined,
    };
    const { routes, rules } = this.#resolution.of(desired, devices);
    const held = failures.has("device") ? devices.kilo : undefined;
    const applyRoutes = () => this.#routes.apply(routes.entries, devices, { held });
    const applyRules = () => this.#rules.apply(rules.entries);
    return {
      routes: this.watch.time("routes", () => failures.contain("routes", applyRoutes, NOTHING)),
      rules: this.watch.time("rules", () => failures.contain("rules", applyRules, NOTHING)),
      warnings: [...routes.warnings, ...rules.warnings],
    };
  }

  #follow(kilo: Link): void {
    if (this.host.changeLink(kilo, { up: false })) this.#routes.invalidate();
  }
}

function endpointsOf({ peers }: DeviceConfig): readonly IP[] {
  return peers.flatMap(({ endpoint }) =>
    [endpoint?.ip, endpoint?.alternative].filter((ip) => ip !== undefined)
  );
}
