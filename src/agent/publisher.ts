/**
 * Keeps the own Node's annotations as they should be, and checks in. It works beside the agent's
 * loop: a slow or absent API server never holds the mesh up.
 */

import { startTimer } from "../async/background.ts";
import type { Backend } from "../backend/backend.ts";
import { ANNOTATIONS, type Strings } from "../mesh/object.ts";
import { CLEAN_UP_PATCH, type Own, publish, type Published } from "../mesh/publish.ts";
import { STALE_AFTER } from "../mesh/staleness.ts";
import { describeError } from "../net/text.ts";
import type { Log } from "./log.ts";
import type { Monitor } from "./monitor.ts";
import { Trigger } from "./trigger.ts";

/** Milliseconds between check-ins. */
export const CHECK_IN_PERIOD = 30_000;

/** Milliseconds after a first failure; doubled each time, up to the check-in period. */
const FIRST_RETRY = 500;

/**
 * Milliseconds between a patch and the next change: while a mesh comes together each round finds
 * another, and each patch wakes up every agent there is.
 */
const REST = 500;

/** What is known of this node at any time. */
export type OwnFacts = Omit<Own, "now">;

/** Where what was published is remembered over a restart; failures are its own to report. */
export interface Memory {
  published: Published;
}

export class Publisher {
  readonly #backend: Backend;
  readonly #memory: Memory;
  readonly #log: Log;
  readonly #monitor: Monitor;
  readonly #trigger = new Trigger<"change" | "check-in">();
  #own: OwnFacts | undefined;
  #lastSuccess = -Infinity;
  /** Why the last attempt failed, if it did. */
  #failure: string | undefined;

  constructor(
    backend: Backend,
    options: { readonly memory: Memory; readonly log: Log; readonly monitor: Monitor },
  ) {
    this.#backend = backend;
    this.#memory = options.memory;
    this.#log = options.log;
    this.#monitor = options.monitor;
  }

  /** Monotonic time until which the others see this node alive, in milliseconds. */
  get liveUntil(): number {
    return this.#lastSuccess + STALE_AFTER;
  }

  /**
   * Takes what is known of this node now and returns the annotations its Node shall have; those
   * that differ are sent soon. Undefined while there is no such Node.
   */
  update(own: OwnFacts): Strings | undefined {
    this.#own = own;
    const publication = this.#publication({ checkIn: false });
    if (publication && Object.keys(publication.patch).length > 0) this.#trigger.mark("change");
    return publication?.annotations;
  }

  /** Sends what {@link update} finds, and a check-in each period, until {@link stop}. */
  async run(): Promise<void> {
    let retry = FIRST_RETRY;
    for (;;) {
      const timer = startTimer(CHECK_IN_PERIOD, "check in", () => this.#trigger.mark("check-in"));
      const reasons = await this.#trigger.next();
      clearTimeout(timer);
      if (!reasons) return;
      const checkIn = reasons.has("check-in");
      const outcome = await this.#send({ checkIn });
      if (outcome !== "failed") {
        retry = FIRST_RETRY;
        if (outcome === "sent") await this.#pause(REST);
        continue;
      }
      await this.#pause(retry);
      retry = Math.min(retry * 2, CHECK_IN_PERIOD);
      this.#trigger.mark(checkIn ? "check-in" : "change");
    }
  }

  stop(): void {
    this.#trigger.close();
    this.#endPause?.();
  }

  /** Takes everything the agent publishes away; rejects with a BackendError. */
  async retract(): Promise<void> {
    await this.#backend.patchOwn(CLEAN_UP_PATCH);
    this.#memory.published = { endpoint: [], internalIP: [] };
  }

  #publication({ checkIn }: { checkIn: boolean }) {
    const annotations = this.#backend.cluster().own;
    if (!annotations || !this.#own) return undefined;
    const now = Date.now() / 1000;
    // To the others who was away for long is dead until it checks in.
    const isDue = !(now - Number(annotations[ANNOTATIONS.lastSeen]) <= CHECK_IN_PERIOD / 1000);
    const { published } = this.#memory;
    return publish(annotations, { ...this.#own, now }, { published, checkIn: checkIn || isDue });
  }

  async #send({ checkIn }: { checkIn: boolean }): Promise<"sent" | "nothing" | "failed"> {
    const publication = this.#publication({ checkIn });
    if (!publication) return "nothing";
    this.#memory.published = publication.published;
    if (Object.keys(publication.patch).length === 0) return "nothing";
    try {
      await this.#backend.patchOwn(publication.patch);
      this.#lastSuccess = performance.now();
      if (this.#failure !== undefined) this.#log.info("the own Node is annotated again");
      this.#failure = undefined;
      this.#monitor.parts.works("check-in");
      return "sent";
    } catch (error) {
      this.#monitor.counts.failed(checkIn ? "checkin" : "local");
      this.#failed(error);
      return "failed";
    }
  }

  /** However often it fails for one reason, that is said once. */
  #failed(error: unknown): void {
    const failure = describeError(error);
    this.#monitor.parts.fails("check-in", failure);
    if (failure === this.#failure) return;
    this.#failure = failure;
    this.#log.error("the own Node could not be annotated; trying again", { error });
  }

  #endPause: (() => void) | undefined;

  async #pause(milliseconds: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = startTimer(milliseconds, "end a pause", resolve);
    this.#endPause = resolve;
    await promise;
    clearTimeout(timer);
    this.#endPause = undefined;
  }
}
