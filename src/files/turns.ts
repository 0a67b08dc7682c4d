/** Does one thing after the other, in the order they were asked for, whatever becomes of each. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  /** Settles as the action does, which begins when all before it have ended. */
  take<T>(action: () => Promise<T>): Promise<T> {
    const done = this.#last.then(action);
    this.#last = done.catch(() => {});
    return done;
  }

  /** When all that were asked for so far have ended. */
  async ended(): Promise<void> {
    await this.#last;
  }
}
