/** Caches the desired state of this node: computed again only when something that it depends on has changed. */

import type { HostDevices } from "../dataplane/dataplane.ts";
import { type Desired, desired, type Settings } from "../mesh/desired.ts";
import { type CompleteNode, equalNodes } from "../mesh/readiness.ts";
import { equalUsedEndpoints, type UsedEndpoints } from "../mesh/used_endpoints.ts";
import type { HostFacts } from "../mesh/host_facts.ts";
import { protect } from "../mesh/protect.ts";
import { type Topology, topology } from "../mesh/topology.ts";
import type { Key } from "../net/key.ts";
import { equalPrefix, type Prefix } from "../net/prefix.ts";
import { encapsulatorOf } from "./kernel.ts";
import type { Membership } from "./membership.ts";
import { resolveEndpoints } from "./names.ts";
import type { AgentOptions } from "./options.ts";
import type { Resolver } from "./resolver.ts";

/** What the desired state depends on besides the command line and DNS names. */
export interface DesiredContext {
  readonly membership: Membership;
  readonly hostDevices: HostDevices;
  /** The private address found on this host. */
  readonly discoveredAddress: Prefix | undefined;
  readonly privateKey: Key;
  readonly usedEndpoints: UsedEndpoints;
  /** What this host keeps, whatever the mesh says. */
  readonly facts: HostFacts;
}

const NOWHERE: UsedEndpoints = new Map();

export class DesiredStateCache {
  readonly #options: AgentOptions;
  readonly #resolver: Resolver;
  #last:
    | {
      readonly local: CompleteNode;
      readonly settings: Settings;
      readonly topology: Topology;
      readonly desired: Desired;
    }
    | undefined;
  /** What of it can be applied on this host. */
  #protected:
    | { readonly of: Desired; readonly facts: HostFacts; readonly desired: Desired }
    | undefined;

  constructor(options: AgentOptions, resolver: Resolver) {
    this.#options = options;
    this.#resolver = resolver;
  }

  /** Peers on the device, as last desired. */
  get peerCount(): number {
    return this.#last?.desired.device.peers.length ?? 0;
  }

  /** A node, a Peer or the address of a name has changed. */
  forget(): void {
    this.#last = undefined;
  }

  /** The same value as before if nothing differs; or why there can be none now, in one sentence. */
  of(local: CompleteNode, context: DesiredContext): Desired | string {
    const { facts } = context;
    const computed = this.#compute(local, context);
    if (typeof computed === "string") return computed;
    const last = this.#protected;
    if (last?.of === computed.desired && last.facts === facts) return last.desired;
    const desired = protect(computed, facts);
    this.#protected = { of: computed.desired, facts, desired };
    return desired;
  }

  /** The mesh as every agent computes it. */
  #compute(
    local: CompleteNode,
    context: DesiredContext,
  ): { readonly topology: Topology; readonly desired: Desired } | string {
    const settings = this.#settings(local, context);
    const last = this.#last;
    if (last && equalNodes(last.local, local) && equalSettings(last.settings, settings)) {
      return last;
    }
    const { meshGranularity: granularity, hostname, subnet } = this.#options;
    const { membership } = context;
    const { nodes, peers, undecided } = resolveEndpoints(
      { nodes: [local, ...membership.nodes], peers: membership.peers },
      { resolver: this.#resolver, granularity },
    );
    if (undecided.length > 0) {
      return `who leads is unknown until these names resolve: ${undecided.join(", ")}`;
    }
    const mesh = topology({ nodes, peers }, { hostname, granularity, subnet });
    this.#last = { local, settings, topology: mesh, desired: desired(mesh, settings) };
    return this.#last;
  }

  #settings(
    local: CompleteNode,
    { hostDevices, discoveredAddress, privateKey, usedEndpoints }: DesiredContext,
  ): Settings {
    const options = this.#options;
    const privateAddress = hostDevices.private && (discoveredAddress ?? local.internalIP);
    return {
      strategy: options.encapsulate,
      encapsulator: encapsulatorOf(options),
      tunnel: hostDevices.tunnel !== undefined && hostDevices.tunnel.state !== "unsupported",
      ...privateAddress && { privateAddress },
      privateKey,
      local: options.local,
      lacksSource: !hostDevices.hasSource,
      usedEndpoints,
      cni: options.cni,
      forwardRules: options.iptablesForwardRules,
      serviceCIDRs: options.serviceCidr,
    };
  }
}

/** The command line cannot change; what was found on the host can. */
function equalSettings(a: Settings, b: Settings): boolean {
  return a.tunnel === b.tunnel && a.lacksSource === b.lacksSource &&
    equalPrefix(a.privateAddress, b.privateAddress) &&
    equalUsedEndpoints(a.usedEndpoints ?? NOWHERE, b.usedEndpoints ?? NOWHERE);
}
