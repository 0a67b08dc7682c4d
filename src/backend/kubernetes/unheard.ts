/**
 * Tells a watch that went deaf from a quiet one: what we wrote ourselves must be heard of soon. Left
 * alone, a dead connection would make all other nodes look dead, and sooner than its silence tells.
 * But late is not lost: a watch that lags is opened again once, and then given more time.
 */

import { inBackground } from "../../async/background.ts";
import { type Clock, SYSTEM_CLOCK } from "../../async/clock.ts";
import { compareResourceVersions } from "../../kubernetes/object.ts";
import { warning } from "../../net/warning.ts";
import type { Problem } from "../backend.ts";

/** Milliseconds until the news of a write must have come; the pace of the watch is in it. */
const PATIENCE = 5000;

/** Doubled each time that it was not enough, up to this. */
const MOST_PATIENCE = 60_000;

/** Milliseconds after the last time, after which the first patience will do again. */
const MEMORY = 5 * 60_000;

/** Milliseconds without news of our own write, after which who seems to be silent may be one that we do not hear. */
const DEAF = 15_000;

const PROBLEM: Problem = {
  ...warning(
    "backend",
    "watch of Nodes",
    `the watch of Nodes has not shown our own check-in for ${
      DEAF / 1000
    } s: no node is given up meanwhile`,
  ),
  isOutage: true,
};

export interface UnheardOptions {
  /** The watch is to be opened again, at the version it has come to. */
  readonly reopen: () => void;
  /** {@link Unheard.isDeaf} is another. */
  readonly changed: () => void;
  /** 0 to below 1: agents that wait for one server do not come all at once. */
  readonly random?: () => number;
  readonly clock?: Clock;
}

export class Unheard implements Disposable {
  readonly #options: UnheardOptions;
  readonly #random: () => number;
  readonly #clock: Clock;
  #version: string | undefined;
  #reopening: Disposable | undefined;
  #deafening: Disposable | undefined;
  #isDeaf = false;
  #patience = PATIENCE;
  #lastReopened = -Infinity;

  constructor(options: UnheardOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
  }

  /** Nothing was heard of what we wrote a good while ago: the silence of others proves nothing. */
  get isDeaf(): boolean {
    return this.#isDeaf;
  }

  get problem(): Problem | undefined {
    return this.#isDeaf ? PROBLEM : undefined;
  }

  /** Something was written, and has this resource version now. */
  wrote(version: string): void {
    // What is waited for stays: on a watch that lags there is always something that is not heard of yet.
    if (this.#version !== undefined) return;
    this.#version = version;
    this.#deafening = this.#clock.after(DEAF, () => {
      inBackground("tell that the watch of Nodes is deaf", () => this.#setDeaf(true));
    });
    this.#wait();
  }

  #wait(): void {
    if (this.#clock.now() - this.#lastReopened > MEMORY) this.#patience = PATIENCE;
    const patience = this.#patience * (1 + this.#random() / 4);
    this.#reopening = this.#clock.after(patience, () => {
      inBackground("open a watch again", () => this.#reopen());
    });
  }

  #reopen(): void {
    this.#patience = Math.min(this.#patience * 2, MOST_PATIENCE);
    this.#lastReopened = this.#clock.now();
    this.#wait();
    this.#options.reopen();
  }

  /** The watch has come this far. */
  heard(version: string): void {
    if (this.#version === undefined) return;
    if (compareResourceVersions(version, this.#version) >= 0) this.clear();
  }

  /** There is no watch that could be asked for it now, or everything is known. */
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
