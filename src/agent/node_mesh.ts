/** This node's part in the mesh: what it is to the others, and what its kernel shall have. */

import type { Backend } from "../backend/backend.ts";
import type { HostDevices, Report, StateKind } from "../dataplane/dataplane.ts";
import { cniCompatibilityIP } from "../dataplane/tunnel.ts";
import type { Desired } from "../mesh/desired.ts";
import { discoverEndpoints } from "../mesh/discover.ts";
import { NO_ENDPOINTS } from "../mesh/discovered_endpoints.ts";
import type { DiscoveredEndpoints, Node } from "../mesh/node.ts";
import { ANNOTATIONS } from "../mesh/object.ts";
import {
  type CompleteNode,
  isComplete,
  notReadyBecause,
  type NotReadyReason,
} from "../mesh/readiness.ts";
import { usedEndpoints } from "../mesh/used_endpoints.ts";
import type { DeviceState } from "../net/device.ts";
import type { Key } from "../net/key.ts";
import { WireGuardError } from "../wireguard/client.ts";
import { isRedeclared } from "../wireguard/declared.ts";
import { equalIP, type IP } from "../net/ip.ts";
import { hostPrefix } from "../net/prefix.ts";
import { type Warning, warning } from "../net/warning.ts";
import type { AddressFinder } from "./address_finder.ts";
import { EndpointChoice } from "./endpoint_choice.ts";
import { encapsulatorOf, type Kernel } from "./kernel.ts";
import { localNode } from "./local_node.ts";
import type { Membership } from "./membership.ts";
import type { AgentOptions } from "./options.ts";
import { packetSource, type Sender, sourceWarnings } from "./packet_source.ts";
import type { OwnFacts, Publisher } from "./publisher.ts";
import type { Resolver } from "./resolver.ts";
import type { Servers } from "./servers.ts";
import { DesiredStateCache } from "./desired_state_cache.ts";

export interface NodeMeshParts {
  readonly options: AgentOptions;
  readonly key: { readonly privateKey: Key; readonly publicKey: Key };
  readonly backend: Backend;
  readonly kernel: Kernel;
  readonly addresses: AddressFinder;
  readonly resolver: Resolver;
  readonly servers: Servers;
  readonly publisher: Publisher;
  /** Warnings that hold as long as the agent runs. */
  readonly startWarnings: readonly Warning[];
}

/** What a reconcile pass begins with. */
export interface Observed {
  /** As the others shall see it. */
  readonly local: CompleteNode;
  readonly hostDevices: HostDevices;
  /** Of the device, as far as `local` tells of it. */
  readonly readings: number;
}

export interface Applied {
  readonly desired: Desired;
  readonly report: Report;
}

const NOT_READY_TEXTS: Readonly<Record<NotReadyReason, string>> = {
  "no endpoint": "it has no usable endpoint",
  "no pod subnet": "it has no usable spec.podCIDR",
  "no key": "it has no usable key",
  "stale": "it no longer checks in",
};

export class NodeMesh {
  readonly #parts: NodeMeshParts;
  readonly #membership: Membership;
  readonly #cache: DesiredStateCache;
  readonly #choice = new EndpointChoice();
  #reconciled: OwnFacts["reconciled"];
  #isForgotten = false;
  #sourceWarnings: readonly Warning[] = [];

  constructor(parts: NodeMeshParts, membership: Membership) {
    this.#parts = parts;
    this.#membership = membership;
    this.#cache = new DesiredStateCache(parts.options, parts.resolver);
  }

  /** Peers on the device, as last desired. */
  get peerCount(): number {
    return this.#cache.peerCount;
  }

  /** A node, a Peer or the address of a name has changed. */
  forget(): void {
    this.#cache.forget();
  }

  /** Observe this again in the next pass. */
  invalidate(kind: StateKind): void {
    const { kernel, addresses } = this.#parts;
    kernel.dataplane.invalidate(kind);
    if (kind === "link" || kind === "address" || kind === "route") addresses.invalidate();
  }

  /**
   * Chooses the own addresses again if others may have come. Returns in how many milliseconds to
   * do so once more, if one has gone: until then nothing is to be done, or others would see a node
   * without address, and routes would go and come back.
   */
  findAddresses({ refresh }: { readonly refresh: boolean }): number | undefined {
    if (refresh) {
      this.invalidate("link");
      this.#parts.addresses.refresh();
    }
    return this.#parts.addresses.update();
  }

  /** Looks again at all it is made of: the kernel, names, and the servers of this host. */
  refresh(): void {
    const { kernel, resolver, servers } = this.#parts;
    kernel.dataplane.invalidateAll();
    resolver.refresh();
    servers.refresh();
  }

  /** Finds or makes the devices; says why, in a sentence, if there is nothing to be done yet. */
  async observe(): Promise<Observed | string> {
    const { options: { hostname }, backend, kernel, addresses, publisher } = this.#parts;
    const { nodes, own } = backend.cluster();
    const node = nodes.get(hostname);
    // Without a key we are in nobody's mesh; only sessions from before that lead nowhere.
    const isForgotten = own !== undefined && !own[ANNOTATIONS.key];
    if (isForgotten && !this.#isForgotten) kernel.dataplane.device.resetSessions();
    this.#isForgotten = isForgotten;
    const annotations = publisher.update(this.#own());
    if (!node || !annotations) {
      return `there is no Node ${hostname}: this node's mesh stays as it is`;
    }
    const annotated = localNode(node, annotations);
    const source = annotated.internalIP?.ip;
    const { endpointIP: endpoint, internalIP } = addresses.found;
    const hostDevices = kernel.dataplane.observeHost({
      privateAddress: internalIP?.ip ?? source,
      endpoint,
      source,
      isWanted: (ip) => addresses.isWanted(ip),
    });
    this.#publishSource(this.#findSource(annotated, hostDevices));
    const local: Node = { ...annotated, discoveredEndpoints: await this.#discover() };
    const { readings } = kernel.dataplane.device;
    if (isComplete(local)) return { local, hostDevices, readings };
    const reason = notReadyBecause(local, { isFresh: true });
    return `Node ${hostname} is not ready: ${NOT_READY_TEXTS[reason!]}`;
  }

  /** Brings the kernel to what the objects say, or says why it cannot be known now. */
  async apply({ local, hostDevices, readings }: Observed): Promise<Applied | string> {
    const { kernel, key, addresses, servers, publisher } = this.#parts;
    const { device, facts } = kernel.dataplane;
    const desired = this.#cache.of(local, {
      membership: this.#membership,
      hostDevices,
      discoveredAddress: addresses.found.internalIP,
      privateKey: key.privateKey,
      usedEndpoints: usedEndpoints(this.#membership.nodes, {
        device: device.known,
        now: Date.now(),
        isRedeclared: ({ key: publicKey, endpoint }) =>
          isRedeclared({ publicKey, endpoint }, device.declared),
      }),
      facts: facts.observe(device.known, { servers: servers.known }),
    });
    if (typeof desired === "string") return desired;
    const { publicKey } = key;
    const report = await kernel.dataplane.apply(desired, {
      hostDevices,
      now: Date.now(),
      publicKey,
    });
    const discoveredEndpoints = device.readings === readings
      ? local.discoveredEndpoints
      : await this.#discover();
    const source = this.#findSource(local, hostDevices);
    this.#reconciled = {
      ...desired.address && { wireGuardIP: desired.address },
      ...source && { encapsulationIP: hostPrefix(source) },
      discoveredEndpoints: desired.isLeader
        ? await this.#choose(discoveredEndpoints)
        : NO_ENDPOINTS,
    };
    publisher.update(this.#own());
    return { desired, report };
  }

  /** From where packets to the own location come, if not from the internal address. */
  #findSource(local: Node, hostDevices: HostDevices): IP | undefined {
    const { options, kernel, addresses } = this.#parts;
    const sender: Sender = {
      local,
      nodes: this.#membership.nodes,
      discovered: addresses.found.internalIP?.ip,
      encapsulator: encapsulatorOf(options),
      hostDevices,
    };
    const source = packetSource(kernel.dataplane.host, sender);
    this.#sourceWarnings = sourceWarnings(sender, source);
    return source;
  }

  /** In the patch that has another internal address, or neighbours would drop packets meanwhile. */
  #publishSource(source: IP | undefined): void {
    if (!this.#reconciled || equalIP(source, this.#reconciled.encapsulationIP?.ip)) return;
    const { encapsulationIP: _, ...rest } = this.#reconciled;
    this.#reconciled = { ...rest, ...source && { encapsulationIP: hostPrefix(source) } };
    this.#parts.publisher.update(this.#own());
  }

  /** As it was, if it does not answer: whoever needs it says so when it is configured. */
  async #readDevice(): Promise<DeviceState | undefined> {
    const { device } = this.#parts.kernel.dataplane;
    const { known } = device;
    return await device.read().catch((error) => {
      if (error instanceof WireGuardError) return known;
      throw error;
    });
  }

  async #discover() {
    const device = await this.#readDevice();
    return device ? discoverEndpoints(this.#listed, device) : NO_ENDPOINTS;
  }

  get #listed() {
    return { nodes: [...this.#membership.nodes], peers: [...this.#membership.peers] };
  }

  /** Those that are published. */
  async #choose(endpoints: DiscoveredEndpoints): Promise<DiscoveredEndpoints> {
    const { backend } = this.#parts;
    return this.#choice.choose(endpoints, {
      mesh: () => this.#listed,
      device: await this.#readDevice(),
      own: backend.cluster().own ?? {},
      room: backend.annotationRoom,
      now: performance.now(),
    });
  }

  /** What is wrong with the own addresses, and with what is published. */
  get warnings(): readonly Warning[] {
    const { addresses: { problem }, publisher, startWarnings } = this.#parts;
    return [
      ...startWarnings,
      ...problem !== undefined ? [warning("address", "this host", problem)] : [],
      ...this.#choice.warnings,
      ...publisher.warnings,
      ...this.#sourceWarnings,
    ];
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
}
