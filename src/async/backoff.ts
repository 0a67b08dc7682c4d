export interface BackoffOptions {
  /** Milliseconds of the first pause. */
  readonly first: number;
  /** Milliseconds of the longest pause. */
  readonly longest: number;
  /** Part of a pause that is random, from 0 (the default) to 1: it keeps many clients apart. */
  readonly jitter?: number;
  /** From 0 to below 1. */
  readonly random?: () => number;
}

/** Pauses between tries: each is twice as long as the last, up to the longest. */
export class Backoff {
  readonly #options: BackoffOptions;
  #next: number;

  constructor(options: BackoffOptions) {
    this.#options = options;
    this.#next = options.first;
  }

  /** It worked: the next pause is the first again. */
  reset(): void {
    this.#next = this.#options.first;
  }

  /** Milliseconds to pause before the next try; `atLeast` is what somebody else asks for. */
  next({ atLeast = 0 }: { readonly atLeast?: number } = {}): number {
    const { longest, jitter = 0, random = Math.random } = this.#options;
    const pause = this.#next * (1 - jitter * random());
    this.#next = Math.min(this.#next * 2, longest);
    return Math.max(pause, atLeast);
  }
}
