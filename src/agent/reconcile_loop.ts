/**
 * The one loop. Events only enqueue reasons; the loop runs one pass at a time for all of them:
 *
 * 1. `defer`: wait if the own addresses are just being replaced.
 * 2. `begin`: invalidate what the reasons name.
 * 3. Skip the pass if no reason needs one (reasons.ts) and the last one succeeded.
 * 4. `pass`. A failed one is retried, after ever longer pauses.
 * 5. `ended`: schedule what comes later.
 */

import { Backoff } from "../async/backoff.ts";
import { type Clock, SYSTEM_CLOCK } from "../async/clock.ts";
import { WorkQueue } from "../async/work_queue.ts";
import { describeError } from "../net/text.ts";
import { type Reason, REASONS } from "./reasons.ts";

/** Milliseconds until a failed pass is retried; doubled each time. */
const FIRST_RETRY = 200;

type Reasons = ReadonlySet<Reason>;

export interface PassSteps {
  /** Milliseconds until the reasons are enqueued again; undefined: go on now. */
  defer(reasons: Reasons): number | undefined;
  /** Invalidates what the reasons name, and does what else they ask for before a pass. */
  begin(reasons: Reasons): void;
  /** Drops nodes that are stale; returns whether there were any. */
  expire(): boolean;
  /** Is the WireGuard device as it was left? */
  isInSync(): Promise<boolean>;
  /** No pass is needed. */
  skip(): void;
  /** A rejection is a failure. */
  pass(reasons: Reasons): Promise<void>;
  failed(
    error: unknown,
    context: { readonly reasons: Reasons; readonly isRepeated: boolean },
  ): void;
  /** The first pass that succeeds after failures. */
  recovered(): void;
  /** After each pass, skipped or not. */
  ended(): void;
}

export class ReconcileLoop implements Disposable {
  readonly #steps: PassSteps;
  readonly #queue: WorkQueue<Reason>;
  readonly #retry: Backoff;
  /** Why the last pass failed, if it did. */
  #failure: string | undefined;

  constructor(
    steps: PassSteps,
    { longestRetry, clock = SYSTEM_CLOCK }: {
      /** Milliseconds. */
      readonly longestRetry: number;
      readonly clock?: Clock;
    },
  ) {
    this.#steps = steps;
    this.#queue = new WorkQueue({ clock });
    this.#retry = new Backoff({ first: FIRST_RETRY, longest: longestRetry });
  }

  add(reason: Reason): void {
    this.#queue.add(reason);
  }

  /** Adds the reason after so many milliseconds, instead of when it was scheduled; undefined: never. */
  addAfter(reason: Reason, milliseconds: number | undefined): void {
    this.#queue.addAfter(reason, milliseconds);
  }

  isScheduled(reason: Reason): boolean {
    return this.#queue.isScheduled(reason);
  }

  /** Pass after pass, until {@link stop}. */
  async run(): Promise<void> {
    for (let reasons; (reasons = await this.#queue.next());) {
      const wait = this.#steps.defer(reasons);
      if (wait === undefined) await this.#run(reasons);
      else for (const reason of reasons) this.addAfter(reason, wait);
    }
  }

  /** Ends {@link run} after the current pass. */
  stop(): void {
    this.#queue.close();
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  async #run(reasons: Reasons): Promise<void> {
    try {
      this.#steps.begin(reasons);
      if (await this.#isPassNeeded(reasons)) await this.#steps.pass(reasons);
      else this.#steps.skip();
      this.#succeeded();
    } catch (error) {
      this.#failed(error, reasons);
    }
    this.#steps.ended();
  }

  async #isPassNeeded(reasons: Reasons): Promise<boolean> {
    if (this.#steps.expire() || this.#failure !== undefined) return true;
    const whens = new Set([...reasons].map((reason) => REASONS[reason].pass));
    if (whens.has("always")) return true;
    return whens.has("if the device is not in sync") && !await this.#steps.isInSync();
  }

  #succeeded(): void {
    if (this.#failure !== undefined) this.#steps.recovered();
    this.#failure = undefined;
    this.#retry.reset();
  }

  #failed(error: unknown, reasons: Reasons): void {
    const failure = describeError(error);
    this.#steps.failed(error, { reasons, isRepeated: failure === this.#failure });
    this.#failure = failure;
    this.addAfter("follow-up", undefined); // the retry does that, too
    this.addAfter("retry", this.#retry.next());
  }
}
