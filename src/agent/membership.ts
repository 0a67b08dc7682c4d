/** Who makes up the mesh now, and whether something that happened makes it another one. */

import type { Cluster, ClusterChange } from "../backend/backend.ts";
import type { Node } from "../mesh/node.ts";
import type { Peer } from "../mesh/peer.ts";
import {
  type CompleteNode,
  equalNodes,
  equalPeers,
  isComplete,
  isReadyPeer,
} from "../mesh/readiness.ts";
import { type Moment, Staleness } from "../mesh/staleness.ts";
import type { Key } from "../net/key.ts";
import { formatPrefix, type Prefix } from "../net/prefix.ts";

/** Now, and for how long what is known of others is worth something. */
export function momentOf(
  { backend, publisher }: {
    readonly backend: { readonly nodesLive: boolean; readonly liveUntil?: number };
    readonly publisher: { readonly liveUntil: number };
  },
): Moment {
  const known = Math.min(publisher.liveUntil, backend.liveUntil ?? Infinity);
  const liveUntil = backend.nodesLive ? known : -Infinity;
  return { monotonic: performance.now(), wall: Date.now(), liveUntil };
}

/**
 * What the kernel had of the mesh before this agent began. A node of it was a member for the agent
 * before, and stays one until it has had time to check in: perhaps nobody could, for an API server
 * that was away.
 */
export interface Standing {
  /** Where routes of ours lead. */
  readonly subnets: readonly Prefix[];
  /** Of the peers on the WireGuard device. */
  readonly keys: ReadonlySet<Key>;
}

/** Follows a backend's cluster; everything costs as much as changed, not as much as there is. */
export class Membership {
  readonly #hostname: string;
  readonly #staleness = new Staleness();
  /** Pod subnets; none any more once both lists were seen and somebody may leave. */
  readonly #standing: Set<string>;
  readonly #standingKeys: ReadonlySet<Key>;
  readonly #nodes = new Map<string, CompleteNode>();
  readonly #peers = new Map<string, Peer>();
  #revision = 0;

  /** `hostname`: the local node, which to itself is always fresh. */
  constructor(hostname: string, { standing }: { readonly standing?: Standing } = {}) {
    this.#hostname = hostname;
    this.#standing = new Set(standing?.subnets.map(formatPrefix));
    this.#standingKeys = standing?.keys ?? new Set();
  }

  /** Ready nodes but the local one, in no order. */
  get nodes(): Iterable<CompleteNode> {
    return this.#nodes.values();
  }

  /** Another number after each change that makes another mesh. */
  get revision(): number {
    return this.#revision;
  }

  /** Is it a ready one, other than the local one? */
  hasNode(name: string): boolean {
    return this.#nodes.has(name);
  }

  get nodeCount(): number {
    return this.#nodes.size;
  }

  get peerCount(): number {
    return this.#peers.size;
  }

  /** Ready Peers, in no order. */
  get peers(): Iterable<Peer> {
    return this.#peers.values();
  }

  /**
   * Takes over what changed in the cluster; true if it makes another mesh. Skips the local node:
   * it depends on more than its object.
   */
  update(cluster: Cluster, change: ClusterChange, now: Moment): boolean {
    this.#staleness.advance(now); // also where only the view is another
    let different = false;
    const standing = change.nodes.length > 0 ? this.#standingNodes(cluster) : new Set<Node>();
    for (const name of change.nodes) {
      const node = cluster.nodes.get(name);
      if (name === this.#hostname) continue;
      const isStanding = node !== undefined && standing.has(node);
      if (this.#updateNode(name, node, { now, isStanding })) different = true;
    }
    for (const name of change.peers) {
      if (this.#updatePeer(name, cluster.peers.get(name))) different = true;
    }
    if (different) this.#revision++;
    return different;
  }

  /** Drops nodes that no longer check in and returns their names; none while our own view is not live. */
  expire(now: Moment): string[] {
    this.#standing.clear();
    const expired = this.#staleness.expire(now).filter((name) => this.#nodes.has(name));
    for (const name of expired) this.#nodes.delete(name);
    if (expired.length > 0) this.#revision++;
    return expired;
  }

  /** Milliseconds until {@link expire} is to be called again; undefined: not before the view changes. */
  nextExpiry(now: Moment): number | undefined {
    return this.#staleness.nextExpiry(now);
  }

  /**
   * The Nodes that are what stood there. Several with one pod subnet are leftovers but one: it has
   * its key on the device, and of several with that key it checked in last.
   */
  #standingNodes({ nodes }: Cluster): ReadonlySet<Node> {
    const claimants = new Map<string, Node[]>();
    if (this.#standing.size === 0) return new Set();
    for (const node of nodes.values()) {
      const subnet = node.subnet && formatPrefix(node.subnet);
      if (subnet === undefined || !this.#standing.has(subnet)) continue;
      const others = claimants.get(subnet);
      if (others) others.push(node);
      else claimants.set(subnet, [node]);
    }
    const standing = new Set<Node>();
    for (const all of claimants.values()) {
      const known = all.filter(({ key }) => key !== undefined && this.#standingKeys.has(key));
      const [last] = known.sort((a, b) => b.lastSeen - a.lastSeen);
      if (last) standing.add(last);
      else if (all.length === 1) standing.add(all[0]!);
    }
    return standing;
  }

  #updateNode(
    name: string,
    node: Node | undefined,
    { now, isStanding }: { readonly now: Moment; readonly isStanding: boolean },
  ): boolean {
    const before = this.#nodes.get(name);
    if (node) this.#staleness.observe(name, node.lastSeen, now);
    else this.#staleness.forget(name);
    if (node?.subnet && isStanding) {
      this.#standing.delete(formatPrefix(node.subnet));
      this.#staleness.trust(name, now);
    }
    if (!node || !isComplete(node) || !this.#staleness.isFresh(name)) {
      return this.#nodes.delete(name);
    }
    this.#nodes.set(name, node);
    return before === undefined || !equalNodes(before, node);
  }

  #updatePeer(name: string, peer: Peer | undefined): boolean {
    const before = this.#peers.get(name);
    if (!peer || !isReadyPeer(peer)) return this.#peers.delete(name);
    this.#peers.set(name, peer);
    return before === undefined || !equalPeers(before, peer);
  }
}
