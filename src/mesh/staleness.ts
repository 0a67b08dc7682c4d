/**
 * Which remote nodes still check in, judged as Kubernetes judges leases: by when we saw `last-seen`
 * change, on our own clock. Only time in which our own view was live counts. There is no clock in here.
 */

/** The same instant on two clocks, both in milliseconds, and what our view is worth at it. */
export interface Moment {
  /** Never jumps; its zero means nothing. */
  readonly monotonic: number;
  /** Since the Unix epoch. */
  readonly wall: number;
  /**
   * Monotonic time until which our own view counts as live if nothing else happens; one that is past:
   * it is not live. It ends when the watch breaks, or a minute after our own last check-in.
   */
  readonly liveUntil: number;
}

/** A node is stale this many milliseconds of live view after its last check-in. */
export const STALE_AFTER = 60_000;

/** A shorter time without a live view, in milliseconds, keeps nobody from being heard of in time. */
const INTERRUPTION = 10_000;

/** Milliseconds that a node has left, at least, after an interruption: a check-in is due each 30 s. */
const LEFT_AFTER_INTERRUPTION = 40_000;

/**
 * Milliseconds: if we did not look for longer, this process itself stood still (a paused machine),
 * and what others said meanwhile has yet to be read.
 */
const LONGEST_STRETCH = 25_000;

/** Fresh as the clocks have it, without a history: for commands that look once. Unix seconds, wall clock. */
export function isFresh(lastSeen: number, wall: number): boolean {
  return wall - lastSeen * 1000 < STALE_AFTER;
}

/** How long the view was live so far, and since when it is not. */
class LiveClock {
  /** Milliseconds of live view so far. */
  spent = 0;
  #last: number | undefined;
  #liveUntil = -Infinity;
  /** When the view was last live, or this began, on the monotonic clock. */
  #lastLive: number | undefined;

  /** Goes on to this moment; how long the view was interrupted if an interruption ends here, else 0. */
  advance({ monotonic: now, liveUntil }: Moment): number {
    const last = this.#last ?? now;
    this.#lastLive ??= now;
    const end = Math.min(now, this.#liveUntil, last + LONGEST_STRETCH);
    if (end > last) {
      this.spent += end - last;
      this.#lastLive = end;
    }
    this.#last = now;
    this.#liveUntil = liveUntil;
    if (!this.isLive) return 0;
    const interruption = now - this.#lastLive;
    this.#lastLive = now;
    return interruption;
  }

  get isLive(): boolean {
    return this.#last !== undefined && this.#liveUntil > this.#last;
  }
}

interface Watched {
  /** Unix seconds, as annotated. */
  lastSeen: number;
  /** On the clock of live time: when its minute is over. */
  deadline: number;
  /** It was later than our own clock, so our clock has to pass it first. */
  ahead: boolean;
  fresh: boolean;
  /** It has been given time after an interruption since its last check-in. */
  wasSpared: boolean;
}

/**
 * Feed it every Node event of other nodes; it says who is fresh. A node goes stale only in
 * {@link expire}, and only in a live view; what makes a node fresh counts at once. Every call tells
 * it whether the view is live, so each change of that must come with a call.
 */
export class Staleness {
  readonly #nodes = new Map<string, Watched>();
  readonly #clock = new LiveClock();

  /** Time has passed, or the view is live now or no longer: call it before what was seen then. */
  advance(now: Moment): void {
    if (this.#clock.advance(now) > INTERRUPTION) this.#spare();
  }

  /** Perhaps nobody could check in, or we could not see it: once for each check-in, that is made up for. */
  #spare(): void {
    const deadline = this.#clock.spent + LEFT_AFTER_INTERRUPTION;
    for (const node of this.#nodes.values()) {
      if (!node.fresh || node.wasSpared || node.deadline >= deadline) continue;
      node.deadline = deadline;
      node.wasSpared = true;
    }
  }

  /** A node as listed or watched. `lastSeen` in Unix seconds, 0: never. */
  observe(name: string, lastSeen: number, now: Moment): void {
    this.advance(now);
    const known = this.#nodes.get(name);
    if (known?.lastSeen === lastSeen) return;
    const age = now.wall - lastSeen * 1000;
    // At first sight its own word must do, so that one long dead is not welcomed. A change is proof.
    const spent = known || age < 0 ? 0 : age;
    const fresh = lastSeen !== 0 && spent < STALE_AFTER;
    const deadline = this.#clock.spent + STALE_AFTER - spent;
    this.#nodes.set(name, { lastSeen, deadline, ahead: age < 0, fresh, wasSpared: false });
  }

  /** Whatever its own word is: it was a member until now, and has a full minute to check in. */
  trust(name: string, now: Moment): void {
    this.advance(now);
    const node = this.#nodes.get(name);
    if (!node || node.lastSeen === 0) return;
    node.deadline = this.#clock.spent + STALE_AFTER;
    node.fresh = true;
  }

  /** The node is gone. */
  forget(name: string): void {
    this.#nodes.delete(name);
  }

  /** Lets nodes go stale and returns their names; none while our own view is not live. */
  expire(now: Moment): string[] {
    this.advance(now);
    if (!this.#clock.isLive) return [];
    const expired: string[] = [];
    for (const [name, node] of this.#nodes) {
      if (!node.fresh || this.#remaining(node, now) > 0) continue;
      node.fresh = false;
      expired.push(name);
    }
    return expired;
  }

  /** False for a node never observed: ask it about others, the local node is always fresh. */
  isFresh(name: string): boolean {
    return this.#nodes.get(name)?.fresh ?? false;
  }

  /**
   * Milliseconds until something may change if nothing happens: the next node goes stale, or time
   * must be counted. Undefined: nothing can while the view is as it is.
   */
  nextExpiry(now: Moment): number | undefined {
    this.advance(now);
    if (!this.#clock.isLive) return undefined;
    let next: number | undefined;
    for (const node of this.#nodes.values()) {
      if (!node.fresh) continue;
      const remaining = Math.max(0, this.#remaining(node, now));
      next = Math.min(next ?? LONGEST_STRETCH / 2, remaining);
    }
    return next;
  }

  /** Milliseconds this fresh node has left. */
  #remaining(node: Watched, now: Moment): number {
    const left = node.deadline - this.#clock.spent;
    return node.ahead ? Math.max(left, node.lastSeen * 1000 + STALE_AFTER - now.wall) : left;
  }
}
