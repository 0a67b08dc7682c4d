/** Who makes up the mesh now, and whether something that happened makes it another one. */

import type { Change, Cluster } from "../backend/backend.ts";
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
import { formatPrefix, type Prefix } from "../net/prefix.ts";

/** Follows a backend's cluster; everything costs as much as changed, not as much as there is. */
export class Members {
  readonly #hostname: string;
  readonly #staleness = new Staleness();
  readonly #standing: Set<string>;
  readonly #nodes = new Map<string, CompleteNode>();
  readonly #peers = new Map<string, Peer>();
  #revision = 0;

  /**
   * `hostname`: the local node, which to itself is always fresh. `standing`: where routes of ours led
   * before this agent began. A node there was a member for the agent before, and stays one until it
   * has had time to check in: perhaps nobody could, for an API server that was away.
   */
  constructor(hostname: string, { standing = [] }: { readonly standing?: readonly Prefix[] } = {}) {
    this.#hostname = hostname;
    this.#standing = new Set(standing.map(formatPrefix));
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
   * Takes over what changed in the cluster; true if it makes another mesh. The local node is not
   * looked at: it depends on more than its object.
   */
  update(cluster: Cluster, change: Change, now: Moment): boolean {
    this.#staleness.advance(now); // also where only the view is another
    let different = false;
    for (const name of change.nodes) {
      const node = cluster.nodes.get(name);
      if (name !== this.#hostname && this.#updateNode(name, node, now)) different = true;
    }
    for (const name of change.peers) {
      if (this.#updatePeer(name, cluster.peers.get(name))) different = true;
    }
    if (different) this.#revision++;
    return different;
  }

  /** Drops nodes that no longer check in and returns their names; none while our own view is not live. */
  expire(now: Moment): string[] {
    const expired = this.#staleness.expire(now).filter((name) => this.#nodes.has(name));
    for (const name of expired) this.#nodes.delete(name);
    if (expired.length > 0) this.#revision++;
    return expired;
  }

  /** Milliseconds until {@link expire} is to be called again; undefined: not before the view changes. */
  nextExpiry(now: Moment): number | undefined {
    return this.#staleness.nextExpiry(now);
  }

  #updateNode(name: string, node: Node | undefined, now: Moment): boolean {
    const before = this.#nodes.get(name);
    if (node) this.#staleness.observe(name, node.lastSeen, now);
    else this.#staleness.forget(name);
    if (node?.subnet && this.#standing.delete(formatPrefix(node.subnet))) {
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
