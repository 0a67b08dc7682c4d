/** Measures how long each kind of work took. */

export class Stopwatch<Kind extends string> {
  readonly #milliseconds: Record<Kind, number>;

  constructor(kinds: readonly Kind[]) {
    this.#milliseconds = Object.fromEntries(kinds.map((kind) => [kind, 0])) as Record<Kind, number>;
  }

  /** So far. */
  get milliseconds(): Readonly<Record<Kind, number>> {
    return this.#milliseconds;
  }

  /** Runs the work and adds its time; asynchronous work until its promise is settled. */
  time<T>(kind: Kind, work: () => T): T {
    const start = performance.now();
    const stop = () => void (this.#milliseconds[kind] += performance.now() - start);
    let result: T | undefined;
    try {
      return result = work();
    } finally {
      if (result instanceof Promise) result.then(stop, stop);
      else stop();
    }
  }
}
