/** Sends on request, and again after a failure, until stopped. One send at a time. */

import { Backoff, type BackoffOptions } from "../async/backoff.ts";
import { sleep } from "../async/sleep.ts";
import { WorkQueue } from "../async/work_queue.ts";

export interface SendLoopOptions {
  /** Resolves to false if there was nothing to send; a rejection is a failure. `signal`: it shall end. */
  readonly send: (signal: AbortSignal) => Promise<boolean>;
  /** Hears of every failure. */
  readonly failed: (error: unknown) => void;
  /** Milliseconds after something was sent, in which nothing else is. */
  readonly rest?: number;
  /** Milliseconds after which something is sent again even if nobody says so. */
  readonly period?: number;
  /** Between a failure and the next try. */
  readonly backoff: BackoffOptions;
}

export class SendLoop {
  readonly #options: SendLoopOptions;
  readonly #backoff: Backoff;
  readonly #queue = new WorkQueue<"due">();
  readonly #stop = new AbortController();

  constructor(options: SendLoopOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.backoff);
  }

  /** There may be something to send. */
  due(): void {
    this.#queue.add("due");
  }

  /** The same in so many milliseconds; replaces what was set before, the period too. */
  dueIn(milliseconds: number | undefined): void {
    this.#queue.addAfter("due", milliseconds);
  }

  /** Until {@link stop}. */
  async run(): Promise<void> {
    const { send, failed, rest = 0, period } = this.#options;
    const { signal } = this.#stop;
    for (;;) {
      if (period !== undefined) this.dueIn(period);
      if (!await this.#queue.next()) return;
      try {
        const isSent = await send(signal);
        this.#backoff.reset();
        if (isSent && rest > 0) await sleep(rest, { signal });
      } catch (error) {
        if (signal.aborted) return;
        failed(error);
        await sleep(this.#backoff.next(), { signal });
        this.due();
      }
    }
  }

  /** Ends {@link run}, and what is being sent. */
  stop(): void {
    this.#queue.close();
    this.#stop.abort();
  }
}
