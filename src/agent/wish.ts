/** From who is in the mesh to what this node's kernel shall have, computed only when it may differ. */

import type { Ground } from "../dataplane/dataplane.ts";
import { type Desired, desired, type Settings } from "../mesh/desired.ts";
import { type CompleteNode, equalNodes } from "../mesh/readiness.ts";
import { topology } from "../mesh/topology.ts";
import { equalUsedEndpoints, type UsedEndpoints } from "../mesh/used_endpoints.ts";
import type { Key } from "../net/key.ts";
import { equalPrefix, type Prefix } from "../net/prefix.ts";
import { encapsulatorOf } from "./kernel.ts";
import type { Members } from "./members.ts";
import { resolveEndpoints } from "./names.ts";
import type { AgentOptions } from "./options.ts";
import type { Resolver } from "./resolver.ts";

/** What the wish depends on besides the members and names. */
export interface Circumstances {
  readonly members: Members;
  readonly ground: Ground;
  /** The private address found on this host. */
  readonly discoveredAddress: Prefix | undefined;
  readonly privateKey: Key;
  readonly usedEndpoints: UsedEndpoints;
}

const NOWHERE: UsedEndpoints = new Map();

export class Wish {
  readonly #options: AgentOptions;
  readonly #resolver: Resolver;
  #last:
    | { readonly local: CompleteNode; readonly settings: Settings; readonly desired: Desired }
    | undefined;

  constructor(options: AgentOptions, resolver: Resolver) {
    this.#options = options;
    this.#resolver = resolver;
  }

  /** Peers on the device, as last wished. */
  get peerCount(): number {
    return this.#last?.desired.device.peers.length ?? 0;
  }

  /** A member or a name is another. */
  forget(): void {
    this.#last = undefined;
  }

  /** The same value as before if nothing differs; or why there can be none now, in one sentence. */
  of(local: CompleteNode, circumstances: Circumstances): Desired | string {
    const settings = this.#settings(local, circumstances);
    const last = this.#last;
    if (last && equalNodes(last.local, local) && equalSettings(last.settings, settings)) {
      return last.desired;
    }
    const { meshGranularity: granularity, hostname, subnet } = this.#options;
    const { members } = circumstances;
    const { nodes, peers, undecided } = resolveEndpoints(
      { nodes: [local, ...members.nodes], peers: members.peers },
      { resolver: this.#resolver, granularity },
    );
    if (undecided.length > 0) {
      return `who leads is unknown until these names resolve: ${undecided.join(", ")}`;
    }
    const wish = desired(topology({ nodes, peers }, { hostname, granularity, subnet }), settings);
    this.#last = { local, settings, desired: wish };
    return wish;
  }

  #settings(
    local: CompleteNode,
    { ground, discoveredAddress, privateKey, usedEndpoints }: Circumstances,
  ): Settings {
    const options = this.#options;
    const privateAddress = ground.private && (discoveredAddress ?? local.internalIP);
    return {
      strategy: options.encapsulate,
      encapsulator: encapsulatorOf(options),
      tunnel: ground.tunnel !== undefined && ground.tunnel.state !== "unsupported",
      ...privateAddress && { privateAddress },
      privateKey,
      local: options.local,
      lacksSource: !ground.hasSource,
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
