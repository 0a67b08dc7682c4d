/**
 * Keeps the own Node's annotations as they should be, and checks in. It works beside the agent's
 * loop: a slow or absent API server never holds the mesh up.
 */

import type { Backend } from "../backend/backend.ts";
import { ANNOTATIONS, type Strings } from "../mesh/object.ts";
import { checkIn, CLEAN_UP_PATCH, type Own, publish, type Published } from "../mesh/publish.ts";
import { STALE_AFTER } from "../mesh/staleness.ts";
import { formatAddressPort } from "../net/endpoint.ts";
import { describeError } from "../net/text.ts";
import { type Warning, warning } from "../net/warning.ts";
import type { Log } from "./log.ts";
import type { Monitor } from "./monitor.ts";
import { Rival } from "./rival.ts";
import { SendLoop } from "./send_loop.ts";

/** Milliseconds between check-ins. */
export const CHECK_IN_PERIOD = 30_000;

/** Milliseconds: who has not checked in for longer by the annotation does so at once. */
const OVERDUE = CHECK_IN_PERIOD + 10_000;

/** Of a check-in that failed, in milliseconds: all others wait for it. */
const CHECK_IN_BACKOFF = { first: 500, longest: 10_000, jitter: 0.5 };

/** Of a change that was refused, in milliseconds. */
const CHANGE_BACKOFF = { first: 500, longest: 30_000, jitter: 0.5 };

/**
 * Milliseconds between a patch and the next change: while a mesh comes together each pass finds
 * another, and each patch wakes up every agent there is.
 */
const REST = 500;

/** What is known of this node at any time. */
export type OwnFacts = Omit<Own, "now">;

/** Where what was published is remembered over a restart; failures are its own to report. */
export interface Memory {
  published: Published;
}

/**
 * Two patches, each in a loop of its own: a check-in holds `last-seen` alone, so that nothing that is
 * wrong with the rest can keep the others from seeing this node alive. Only the first patch has both.
 */
export class Publisher {
  readonly #backend: Backend;
  readonly #memory: Memory;
  readonly #log: Log;
  readonly #monitor: Monitor;
  readonly #rival: Rival;
  readonly #changes = new SendLoop({
    send: (signal) => this.#sendChanges(signal),
    failed: (error) => this.#changesFailed(error),
    rest: REST,
    backoff: CHANGE_BACKOFF,
  });
  readonly #checkIns = new SendLoop({
    send: (signal) => this.#checkIn(signal),
    failed: (error) => this.#checkInFailed(error),
    period: CHECK_IN_PERIOD,
    backoff: CHECK_IN_BACKOFF,
  });
  #own: OwnFacts | undefined;
  #lastSuccess = -Infinity;
  /** The patch that also checks in, when this agent begins, has been tried. */
  #hasBegun = false;
  /** A patch with `last-seen` is under way. */
  #isCheckingIn = false;
  /** Why the last check-in, and the last change, failed, if it did. */
  #checkInFailure: string | undefined;
  #changeFailure: string | undefined;

  constructor(
    backend: Backend,
    options: {
      readonly hostname: string;
      readonly memory: Memory;
      readonly log: Log;
      readonly monitor: Monitor;
    },
  ) {
    this.#backend = backend;
    this.#memory = options.memory;
    this.#log = options.log;
    this.#monitor = options.monitor;
    this.#rival = new Rival(options.hostname);
  }

  /** Monotonic time until which the others see this node alive, in milliseconds. */
  get liveUntil(): number {
    return this.#lastSuccess + STALE_AFTER;
  }

  /** What keeps this node from being published as it is. */
  get warnings(): readonly Warning[] {
    if (!this.#own) return [];
    const { key, endpointIP, port } = this.#own;
    const ours = { key, endpoint: formatAddressPort(endpointIP, port) };
    const warnings = [...this.#rival.warnings(ours, performance.now())];
    if (this.#changeFailure === undefined) return warnings;
    const text = `what others must know of this node is not published: ${this.#changeFailure}`;
    return [...warnings, warning("node", "the own Node", text)];
  }

  /**
   * Takes what is known of this node now and returns the annotations its Node shall have; those
   * that differ are sent soon. Undefined while there is no such Node.
   */
  update(own: OwnFacts): Strings | undefined {
    this.#own = own;
    const annotations = this.#backend.cluster().own;
    if (!annotations) return undefined;
    const now = performance.now();
    this.#rival.observe(annotations, now);
    const publication = publish(annotations, { ...own, now: Date.now() / 1000 }, {
      published: this.#memory.published,
      checkIn: false,
    });
    const isDifferent = Object.keys(this.#rival.admit(publication.patch, now)).length > 0;
    if (!this.#hasBegun || isDifferent) this.#changes.due();
    else if (isOverdue(annotations) && !this.#isCheckingIn) this.#checkIns.due();
    return publication.annotations;
  }

  /** Sends what {@link update} finds, and a check-in each period, until {@link stop}. */
  async run(): Promise<void> {
    await Promise.all([this.#changes.run(), this.#checkIns.run()]);
  }

  /** Ends {@link run}, and what it is sending. */
  stop(): void {
    this.#changes.stop();
    this.#checkIns.stop();
  }

  /** Takes everything the agent publishes away; rejects with a BackendError. */
  async retract(): Promise<void> {
    await this.#backend.patchOwn(CLEAN_UP_PATCH, { isUrgent: true });
    this.#memory.published = { endpoint: [], internalIP: [] };
  }

  async #sendChanges(signal: AbortSignal): Promise<boolean> {
    const annotations = this.#backend.cluster().own;
    if (!annotations || !this.#own) return false;
    const isFirst = !this.#hasBegun;
    const now = performance.now();
    const { patch: wanted, published } = publish(
      annotations,
      { ...this.#own, now: Date.now() / 1000 },
      { published: this.#memory.published, checkIn: isFirst },
    );
    const patch = this.#rival.admit(wanted, now);
    this.#changes.dueIn(this.#rival.nextResume(now));
    this.#memory.published = published;
    if (Object.keys(patch).length === 0) {
      this.#changeFailure = undefined;
      return false;
    }
    this.#hasBegun = true;
    try {
      await this.#send(patch, signal);
    } catch (error) {
      if (isFirst) this.#checkIns.due(); // whatever is wrong with the rest
      throw error;
    }
    this.#changeFailure = undefined;
    if (isFirst) this.#checkedIn();
    return true;
  }

  async #checkIn(signal: AbortSignal): Promise<boolean> {
    if (!this.#hasBegun || !this.#backend.cluster().own) return false;
    await this.#send(checkIn(Date.now() / 1000), signal);
    this.#checkedIn();
    return true;
  }

  async #send(patch: Strings, signal: AbortSignal): Promise<void> {
    const isCheckIn = ANNOTATIONS.lastSeen in patch;
    if (isCheckIn) this.#isCheckingIn = true;
    this.#rival.sending(patch, performance.now());
    try {
      await this.#backend.patchOwn(patch, { signal });
    } finally {
      if (isCheckIn) this.#isCheckingIn = false;
    }
  }

  #checkedIn(): void {
    this.#lastSuccess = performance.now();
    this.#checkIns.dueIn(CHECK_IN_PERIOD);
    if (this.#checkInFailure !== undefined) this.#log.info("the own Node is checked in again");
    this.#checkInFailure = undefined;
    this.#monitor.parts.works("check-in");
  }

  #changesFailed(error: unknown): void {
    this.#monitor.counts.failed("local");
    this.#changeFailure = describeError(error);
  }

  /** However often it fails for one reason, that is logged once. */
  #checkInFailed(error: unknown): void {
    this.#monitor.counts.failed("checkin");
    const failure = describeError(error);
    this.#monitor.parts.fails("check-in", failure);
    if (failure === this.#checkInFailure) return;
    this.#checkInFailure = failure;
    this.#log.error("the check-in failed; trying again", { error });
  }
}

/** To the others, who was away for long is dead until it checks in. */
function isOverdue(annotations: Strings): boolean {
  const age = Date.now() - Number(annotations[ANNOTATIONS.lastSeen]) * 1000;
  return !(age <= OVERDUE);
}
