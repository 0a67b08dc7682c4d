/**
 * Where the objects of the mesh come from, and where this node's own annotations go. A backend
 * follows two lists, Nodes and Peers, and turns each object into a value as it comes in.
 */

import type { Node } from "../mesh/node.ts";
import type { Peer } from "../mesh/peer.ts";
import type { Warning } from "../net/warning.ts";

/** The names of Nodes and Peers that are new, different or gone since the last call. */
export interface ClusterChange {
  readonly nodes: readonly string[];
  readonly peers: readonly string[];
}

/** Something wrong in the world of objects that a person should know of; it stands until it is mended. */
export interface Problem extends Warning {
  /** The event under which `kilo_errors_total` counts it, once. */
  readonly event?: "peer";
  /** At least one of the lists cannot be seen now, or not all of it. */
  readonly isOutage?: true;
}

/**
 * Both lists as last seen. It is another value each time something changes, but the maps may be
 * those of before, brought up to date.
 */
export interface Cluster {
  readonly nodes: ReadonlyMap<string, Node>;
  /** Valid Peers only. */
  readonly peers: ReadonlyMap<string, Peer>;
  /** The own Node's annotations as they are; absent: there is no such Node. */
  readonly own?: Readonly<Record<string, string>>;
  readonly problems: readonly Problem[];
}

export interface Backend extends AsyncDisposable {
  /**
   * Follows both lists from now on; resolves when both are complete, however long that takes, or
   * when disposed. Call it once. What stands in the way is among the problems.
   *
   * `changed` is called after each change of the cluster, also while it starts; with no names when
   * only the problems changed.
   */
  start(changed: (change: ClusterChange) => void): Promise<void>;

  /**
   * Cheap: the value that the last `changed` spoke of. Before both lists are complete it may hold
   * some objects already, the own Node among them as soon as that is known.
   */
  cluster(): Cluster;

  /** Is the view up to date? When not, it stays as it was. */
  readonly live: boolean;

  /** Is the view of Nodes up to date, whatever becomes of Peers? Else nobody's silence proves anything. */
  readonly nodesLive: boolean;

  /**
   * Until when what it knows of other nodes counts as up to date if nothing else comes, monotonic
   * milliseconds; absent: as long as the view is live.
   */
  readonly liveUntil?: number;

  /** How often the view was made anew after a time of not being live; then all nodes look fresh. */
  readonly relists: number;

  /** Bytes, names included, that all annotations of ours on the own Node may have: others have some, too. */
  readonly annotationRoom: number;

  /**
   * Host name or address of the API server, or of the proxy that leads to it, once both lists are
   * complete, if there is one.
   */
  readonly server?: string | undefined;

  /**
   * Sets annotations of the own Node, or removes those that are null (missing ones too: also where
   * there is no such Node); rejects with a {@link BackendError}, also when the signal is aborted. The
   * outcome comes as a change like any other. After {@link start} was called it waits for what it
   * needs, which is not both lists.
   */
  patchOwn(
    annotations: Readonly<Record<string, string | null>>,
    options?: PatchOptions,
  ): Promise<void>;
}

export interface PatchOptions {
  readonly signal?: AbortSignal;
  /** There will be no other patch: it does not wait, even if the server asked for that. */
  readonly isUrgent?: boolean;
}

/** The outside world refused; the message says what was tried on what. */
export class BackendError extends Error {
  override readonly name = "BackendError";
}
