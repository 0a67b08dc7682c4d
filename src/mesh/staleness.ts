/**
 * Which remote nodes still check in, judged as Kubernetes judges leases: by when we saw `last-seen`
 * change, on our own clock. There is no clock in here.
 */

/** The same instant on two clocks, both in milliseconds. */
export interface Moment {
  /** Never jumps; its zero means nothing. */
  readonly monotonic: number;
  /** Since the Unix epoch. */
  readonly wall: number;
}

/** A node is stale this many milliseconds after its last check-in. */
export const STALE_AFTER = 60_000;

/** Fresh as the clocks have it, without a history: for commands that look once. Unix seconds, wall clock. */
export function isFresh(lastSeen: number, wall: number): boolean {
  return wall - lastSeen * 1000 < STALE_AFTER;
}

interface Watched {
  /** Unix seconds, as annotated. */
  lastSeen: number;
  /** Monotonic time from which its minute counts. */
  since: number;
  /** It was later than our own clock, so our clock has to pass it first. */
  ahead: boolean;
  fresh: boolean;
}

/**
 * Feed it every Node event of other nodes; it says who is fresh. A node goes stale only in
 * {@link expire}, and only in a live view; what makes a node fresh counts at once.
 */
export class Staleness {
  readonly #nodes = new Map<string, Watched>();
  #live = true;

  /** A node as listed or watched. `lastSeen` in Unix seconds, 0: never. */
  observe(name: string, lastSeen: number, now: Moment): void {
    const known = this.#nodes.get(name);
    if (known?.lastSeen === lastSeen) return;
    const age = now.wall - lastSeen * 1000;
    // At first sight its own word must do, so that one long dead is not welcomed. A change is proof.
    const since = known || age < 0 ? now.monotonic : now.monotonic - age;
    const fresh = lastSeen !== 0 && now.monotonic - since < STALE_AFTER;
    this.#nodes.set(name, { lastSeen, since, ahead: age < 0, fresh });
  }

  /** Whatever its own word is: it was a member until now, and has a full minute to check in. */
  trust(name: string, now: Moment): void {
    const node = this.#nodes.get(name);
    if (!node || node.lastSeen === 0) return;
    node.since = now.monotonic;
    node.fresh = true;
  }

  /** The node is gone. */
  forget(name: string): void {
    this.#nodes.delete(name);
  }

  /**
   * After a reconnect or a relist, when nodes were observed and forgotten as listed: whoever is still
   * fresh gets a full minute, since a check-in may have been missed.
   */
  relisted(now: Moment): void {
    for (const node of this.#nodes.values()) {
      if (node.fresh) node.since = now.monotonic;
    }
  }

  /**
   * Lets nodes go stale and returns their names, unless our own view is not live (own check-in
   * older than a minute, watch disconnected): then everything stays as it is, and once it is live
   * again everyone fresh gets a full minute.
   */
  expire(now: Moment, { live }: { live: boolean }): string[] {
    if (live && !this.#live) this.relisted(now);
    this.#live = live;
    if (!live) return [];
    const expired: string[] = [];
    for (const [name, node] of this.#nodes) {
      if (!node.fresh || remaining(node, now) > 0) continue;
      node.fresh = false;
      expired.push(name);
    }
    return expired;
  }

  /** False for a node never observed: ask it about others, the local node is always fresh. */
  isFresh(name: string): boolean {
    return this.#nodes.get(name)?.fresh ?? false;
  }

  /** Milliseconds until the next node goes stale if nothing happens; undefined if none can. */
  nextExpiry(now: Moment): number | undefined {
    if (!this.#live) return undefined;
    let next: number | undefined;
    for (const node of this.#nodes.values()) {
      if (node.fresh) next = Math.min(next ?? Infinity, Math.max(0, remaining(node, now)));
    }
    return next;
  }
}

/** Milliseconds this fresh node has left. */
function remaining(node: Watched, now: Moment): number {
  const seen = node.since + STALE_AFTER - now.monotonic;
  return node.ahead ? Math.max(seen, node.lastSeen * 1000 + STALE_AFTER - now.wall) : seen;
}
