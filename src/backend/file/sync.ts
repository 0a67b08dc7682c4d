/**
 * Does what other nodes publish still arrive? A directory that is synced between machines can stop
 * being so, and then all nodes but this one fall silent at once. Pure: times are arguments.
 */

import type { Node } from "../../mesh/node.ts";
import { STALE_AFTER } from "../../mesh/staleness.ts";

/**
 * Milliseconds after a node's status changed for which time counts against the others. Together with
 * the 30 s between two check-ins that is less than {@link STALE_AFTER}: when all fall silent at once,
 * even the node that was heard of first keeps some time.
 */
const COUNTED = 29_000;

interface Seen {
  /** Unix seconds. */
  readonly lastSeen: number;
  /** When it was seen to change, monotonic milliseconds; long ago: it is not expected to. */
  readonly at: number;
}

export class SyncWatch {
  readonly #hostname: string;
  readonly #seen = new Map<string, Seen>();
  /** When any node's status was last seen to change; monotonic milliseconds. */
  #changed = -Infinity;

  /** `hostname`: the own Node, of which the directory tells nothing new. */
  constructor(hostname: string) {
    this.#hostname = hostname;
  }

  /** All Nodes as the directory has them now. Both clocks in milliseconds. */
  observe(
    nodes: ReadonlyMap<string, Pick<Node, "lastSeen">>,
    now: { readonly monotonic: number; readonly wall: number },
  ): void {
    for (const [name, { lastSeen }] of nodes) {
      if (name !== this.#hostname && lastSeen !== 0) this.#observe(name, lastSeen, now);
    }
    for (const name of this.#seen.keys()) {
      if (nodes.get(name)?.lastSeen) continue;
      this.#seen.delete(name); // it took leave: that arrived, too
      this.#changed = now.monotonic;
    }
  }

  #observe(
    name: string,
    lastSeen: number,
    now: { readonly monotonic: number; readonly wall: number },
  ): void {
    const known = this.#seen.get(name);
    if (known?.lastSeen === lastSeen) return;
    // At first sight its own word must do. What is far ahead was written by hand, and stays.
    const age = Math.abs(now.wall - lastSeen * 1000);
    const isAlive = known !== undefined || age < STALE_AFTER;
    this.#seen.set(name, { lastSeen, at: isAlive ? now.monotonic : -Infinity });
    if (isAlive) this.#changed = now.monotonic;
  }

  /** Until when what is known of other nodes counts as up to date, monotonic milliseconds. */
  get liveUntil(): number {
    return this.#isAnyExpected ? this.#changed + COUNTED : Infinity;
  }

  /** Has nothing arrived for so long that it is no longer a matter of one node? */
  isOutage(monotonic: number): boolean {
    return this.#isAnyExpected && monotonic - this.#changed >= STALE_AFTER;
  }

  /** Was any node not yet given up when the last change was seen? */
  get #isAnyExpected(): boolean {
    for (const { at } of this.#seen.values()) {
      if (at > this.#changed - STALE_AFTER) return true;
    }
    return false;
  }
}
