/**
 * Tells a dead watch from a quiet one: the watch must soon show what we wrote ourselves. A dead
 * connection would make all other nodes look stale, and before its idle timeout.
 *
 * 1. After a write, wait for its event for {@link EVENT_TIMEOUT}.
 * 2. If it does not come, open the watch again, and wait twice as long: a slow watch is not dead.
 * 3. After {@link DEAF_TIMEOUT} the watch counts as deaf: no node may expire until an event comes.
 */

import { inBackground } from "../../async/background.ts";
import { type Clock, SYSTEM_CLOCK } from "../../async/clock.ts";
import { compareResourceVersions } from "../../kubernetes/object.ts";
import { warning } from "../../net/warning.ts";
import type { Problem } from "../backend.ts";

/** Milliseconds from a write to its event, the batch interval of the watch included. */
const EVENT_TIMEOUT = 5000;

/** Milliseconds: the timeout doubles each time that it was too short, up to this. */
const LONGEST_EVENT_TIMEOUT = 60_000;

/** Milliseconds after the last reopening, after which the first timeout counts again. */
const MEMORY = 5 * 60_000;

/** Milliseconds from a write without its event, after which silence of other nodes proves nothing. */
const DEAF_TIMEOUT = 15_000;

const PROBLEM: Problem = {
  ...warning(
    "backend",
    "watch of Nodes",
    `the watch of Nodes has not shown our own check-in for ${
      DEAF_TIMEOUT / 1000
    } s: no node is given up meanwhile`,
  ),
  isOutage: true,
};

export interface WatchLivenessOptions {
  /** Opens the watch again, at the version it has come to. */
  readonly reopen: () => void;
  /** {@link WatchLiveness.isDeaf} has changed. */
  readonly changed: () => void;
  /** From 0 to below 1: keeps apart the agents that wait for one server. */
  readonly random?: () => number;
  readonly clock?: Clock;
}

export class WatchLiveness implements Disposable {
  readonly #options: WatchLivenessOptions;
  readonly #random: () => number;
  readonly #clock: Clock;
  #version: string | undefined;
  #reopening: Disposable | undefined;
  #deafening: Disposable | undefined;
  #isDeaf = false;
  #timeout = EVENT_TIMEOUT;
  #lastReopened = -Infinity;

  constructor(options: WatchLivenessOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
  }

  /** The watch has not shown what we wrote: silence of other nodes proves nothing. */
  get isDeaf(): boolean {
    return this.#isDeaf;
  }

  get problem(): Problem | undefined {
    return this.#isDeaf ? PROBLEM : undefined;
  }

  /** We wrote something; it now has this resource version. */
  wrote(version: string): void {
    // Keep waiting for the first write: a slow watch always has one that it has not shown yet.
    if (this.#version !== undefined) return;
    this.#version = version;
    this.#deafening = this.#clock.after(DEAF_TIMEOUT, () => {
      inBackground("report that the watch of Nodes is deaf", () => this.#setDeaf(true));
    });
    this.#wait();
  }

  #wait(): void {
    if (this.#clock.now() - this.#lastReopened > MEMORY) this.#timeout = EVENT_TIMEOUT;
    const timeout = this.#timeout * (1 + this.#random() / 4);
    this.#reopening = this.#clock.after(timeout, () => {
      inBackground("open a watch again", () => this.#reopen());
    });
  }

  #reopen(): void {
    this.#timeout = Math.min(this.#timeout * 2, LONGEST_EVENT_TIMEOUT);
    this.#lastReopened = this.#clock.now();
    this.#wait();
    this.#options.reopen();
  }

  /** The watch has come to this version. */
  heard(version: string): void {
    if (this.#version === undefined) return;
    if (compareResourceVersions(version, this.#version) >= 0) this.clear();
  }

  /** There is no watch now, or it has shown everything: waits for nothing. */
  clear(): void {
    this[Symbol.dispose]();
    this.#version = undefined;
    this.#setDeaf(false);
  }

  #setDeaf(isDeaf: boolean): void {
    if (this.#isDeaf === isDeaf) return;
    this.#isDeaf = isDeaf;
    this.#options.changed();
  }

  [Symbol.dispose](): void {
    this.#reopening?.[Symbol.dispose]();
    this.#deafening?.[Symbol.dispose]();
  }
}
