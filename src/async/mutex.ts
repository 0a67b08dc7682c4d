/** Runs actions one after the other, in the order in which they were given, whatever each does. */
export class Mutex {
  #last: Promise<unknown> = Promise.resolve();

  /** Starts `action` when all before it have ended; settles as it does. */
  run<T>(action: () => Promise<T>): Promise<T> {
    const done = this.#last.then(action);
    this.#last = done.catch(() => {});
    return done;
  }

  /** Resolves when all actions given so far have ended. */
  async idle(): Promise<void> {
    await this.#last;
  }
}
