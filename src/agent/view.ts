/** The mesh as it is now, for those who ask: computed from what is remembered, the kernel is not asked. */

import type { Backend } from "../backend/backend.ts";
import type { Present } from "../http/agent_metrics.ts";
import type { PeerCounters } from "../http/device_metrics.ts";
import type { DotText } from "../http/graph.ts";
import { edgeCount, graph } from "../mesh/graph.ts";
import {
  type CompleteNode,
  equalNodes,
  isComplete,
  notReadyBecause,
  type NotReadyReason,
} from "../mesh/readiness.ts";
import { topology, TopologyError } from "../mesh/topology.ts";
import { formatIP } from "../net/ip.ts";
import type { PeerState } from "../net/device.ts";
import type { Key } from "../net/key.ts";
import { compareText } from "../net/text.ts";
import type { Kernel } from "./kernel.ts";
import type { Membership } from "./membership.ts";
import { withAddresses } from "./names.ts";
import type { AgentOptions } from "./options.ts";
import type { Resolver } from "./resolver.ts";

/** Some 2 MB of text, which is kept, and held by each client that reads slowly. */
const MOST_EDGES = 50_000;

type Handshake = Present["handshakes"] extends Iterable<infer T> ? T : never;

export interface ViewParts {
  readonly options: AgentOptions;
  readonly backend: Backend;
  readonly membership: Membership;
  readonly kernel: Kernel;
  readonly resolver: Resolver;
}

/** What {@link View.mesh} answered last, and of what it was computed. */
interface Drawn {
  readonly revision: number;
  readonly local: CompleteNode | undefined;
  readonly addresses: string;
  readonly text: DotText;
}

export class View {
  readonly #parts: ViewParts;
  #drawn: Drawn | undefined;

  constructor(parts: ViewParts) {
    this.#parts = parts;
  }

  get backend(): Backend {
    return this.#parts.backend;
  }

  /** Ready nodes, this one too, and ready Peers. */
  count(): { readonly nodes: number; readonly peers: number } {
    const { nodeCount, peerCount } = this.#parts.membership;
    return { nodes: nodeCount + (this.#local ? 1 : 0), peers: peerCount };
  }

  present(): Present {
    const { backend: { live, relists }, kernel } = this.#parts;
    const spent = kernel.dataplane.watch.milliseconds;
    return {
      ...{ live, relists, spent, excluded: this.#excluded() },
      handshakes: this.#handshakes(),
      counters: this.#counters(),
    };
  }

  /**
   * As this node sees it, or else the first ready one. Computed once for each state of the mesh: the
   * same object is returned until that changes.
   */
  mesh(): DotText {
    const { membership: { revision } } = this.#parts;
    const local = this.#local;
    const addresses = this.#resolved();
    const drawn = this.#drawn;
    const isSame = drawn?.revision === revision && drawn.addresses === addresses &&
      equalLocal(drawn.local, local);
    if (isSame) return drawn.text;
    const text = this.#draw(local);
    this.#drawn = { revision, local, addresses, text };
    return text;
  }

  #draw(local: CompleteNode | undefined): DotText {
    const { options: { meshGranularity: granularity, subnet }, membership, resolver } = this.#parts;
    const others = [...membership.nodes].sort((a, b) => compareText(a.name, b.name));
    const hostname = (local ?? others[0])?.name;
    if (hostname === undefined) return { problem: "no node is ready" };
    const resolved = withAddresses(
      { nodes: local ? [local, ...others] : others, peers: [...membership.peers] },
      resolver,
    );
    try {
      const drawn = topology(resolved, { hostname, granularity, subnet });
      const edges = edgeCount(drawn);
      if (edges > MOST_EDGES) return { problem: `${edges} edges are too many: see kgctl graph` };
      return { dot: graph(drawn) };
    } catch (error) {
      if (error instanceof TopologyError) return { problem: error.message };
      throw error;
    }
  }

  /** What the names in the mesh resolve to, as a text to compare. */
  #resolved(): string {
    const { membership, resolver } = this.#parts;
    const texts: string[] = [];
    for (const targets of [membership.nodes, membership.peers, this.#local ? [this.#local] : []]) {
      for (const { name, endpoint } of targets) {
        if (endpoint?.dns === undefined) continue;
        const ip = resolver.address(endpoint.dns);
        texts.push(`${name} ${endpoint.dns} ${ip && formatIP(ip)}`);
      }
    }
    return texts.join("\n");
  }

  get #local(): CompleteNode | undefined {
    const { backend, options } = this.#parts;
    const node = backend.cluster().nodes.get(options.hostname);
    return node && isComplete(node) ? node : undefined;
  }

  #excluded(): ReadonlyMap<NotReadyReason, number> {
    const { backend, membership, options } = this.#parts;
    const excluded = new Map<NotReadyReason, number>();
    for (const node of backend.cluster().nodes.values()) {
      const isFresh = node.name === options.hostname || membership.hasNode(node.name);
      const reason = notReadyBecause(node, { isFresh });
      if (reason) excluded.set(reason, (excluded.get(reason) ?? 0) + 1);
    }
    return excluded;
  }

  *#handshakes(): Generator<Handshake> {
    const names = this.#names();
    const now = Date.now();
    for (const { publicKey, lastHandshake } of this.#devicePeers) {
      const who = names.get(publicKey);
      if (who && lastHandshake > 0) yield { ...who, age: (now - lastHandshake) / 1000 };
    }
  }

  *#counters(): Generator<PeerCounters> {
    const names = this.#names();
    const { interface: name } = this.#parts.options;
    for (const peer of this.#devicePeers) {
      yield { ...peer, interface: name, name: names.get(peer.publicKey)?.name };
    }
  }

  get #devicePeers(): readonly PeerState[] {
    return this.#parts.kernel.dataplane.device.known?.peers ?? [];
  }

  #names(): ReadonlyMap<Key, { readonly kind: "node" | "peer"; readonly name: string }> {
    const { membership } = this.#parts;
    const names = new Map<Key, { readonly kind: "node" | "peer"; readonly name: string }>();
    for (const { publicKey, name } of membership.peers) {
      names.set(publicKey, { kind: "peer", name });
    }
    for (const { key, name } of membership.nodes) names.set(key, { kind: "node", name });
    return names;
  }
}

function equalLocal(a: CompleteNode | undefined, b: CompleteNode | undefined): boolean {
  return a === b || a !== undefined && b !== undefined && equalNodes(a, b);
}
