/**
 * Tells a watch that went deaf from a quiet one: what we wrote ourselves must be heard of soon. Left
 * alone, a dead connection would make all other nodes look dead, and sooner than its silence tells.
 */

import { startTimer } from "../../async/background.ts";
import { compareResourceVersions } from "../../kubernetes/object.ts";

/** Milliseconds until the news of a write must have come; the pace of the watch is in it. */
const PATIENCE = 5000;

export class Unheard implements Disposable {
  readonly #deaf: () => void;
  #version: string | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `deaf` is called when something written was not heard of in time. */
  constructor(deaf: () => void) {
    this.#deaf = deaf;
  }

  /** Something was written, and has this resource version now. */
  wrote(version: string): void {
    this.#version = version;
    this.#timer ??= startTimer(PATIENCE, "begin a watch anew", () => {
      this.clear();
      this.#deaf();
    });
  }

  /** The watch has come this far. */
  heard(version: string): void {
    if (this.#version === undefined) return;
    if (compareResourceVersions(version, this.#version) >= 0) this.clear();
  }

  /** There is no watch that could be asked for it now. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#version = undefined;
  }

  [Symbol.dispose](): void {
    this.clear();
  }
}
