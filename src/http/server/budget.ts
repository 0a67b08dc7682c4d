/** Bytes that many share: who asks first is served first, and waits only so long. */

import { startTimer } from "../../async/background.ts";
import { type ByteBudget, HttpError } from "./message.ts";

interface Waiter {
  readonly bytes: number;
  readonly granted: () => void;
}

export class Budget implements ByteBudget {
  readonly #total: number;
  #free: number;
  readonly #queue = new Set<Waiter>();

  constructor(bytes: number) {
    this.#total = bytes;
    this.#free = bytes;
  }

  async take(bytes: number, { timeout }: { readonly timeout: number }): Promise<Disposable> {
    if (bytes > this.#total) throw new HttpError(413, `more than ${this.#total} bytes`);
    const { promise, resolve: granted, reject } = Promise.withResolvers<void>();
    const waiter = { bytes, granted };
    this.#queue.add(waiter);
    const timer = startTimer(timeout, "refuse a request that waited too long", () => {
      this.#queue.delete(waiter);
      this.#grant(); // the next one may want less
      reject(new HttpError(503, "too many large requests at a time: try again"));
    });
    this.#grant();
    await promise.finally(() => clearTimeout(timer));
    let isHeld = true;
    return {
      [Symbol.dispose]: () => {
        if (isHeld) this.#free += bytes;
        isHeld = false;
        this.#grant();
      },
    };
  }

  #grant(): void {
    for (const waiter of this.#queue) {
      if (waiter.bytes > this.#free) return;
      this.#queue.delete(waiter);
      this.#free -= waiter.bytes;
      waiter.granted();
    }
  }
}
