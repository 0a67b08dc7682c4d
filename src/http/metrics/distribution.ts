/** How often something took how long. */

import type { Metric, Sample } from "./exposition.ts";

export class Distribution {
  readonly #about: Pick<Metric, "name" | "help"> & { readonly bounds: readonly number[] };
  /** For each bound how many values are below it, but not below the one before; then all others. */
  readonly #counts: number[];
  #sum = 0;

  /** `bounds`: the upper ones of the buckets, from low to high. */
  constructor(
    about: { readonly name: string; readonly help: string; readonly bounds: readonly number[] },
  ) {
    this.#about = about;
    this.#counts = Array(about.bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    const at = this.#about.bounds.findIndex((bound) => value <= bound);
    this.#counts[at < 0 ? this.#counts.length - 1 : at]! += 1;
    this.#sum += value;
  }

  get metric(): Metric {
    const { name, help } = this.#about;
    return { name, help, type: "histogram", samples: this.#samples() };
  }

  *#samples(): Generator<Sample> {
    let count = 0;
    for (const [at, bound] of [...this.#about.bounds, "+Inf"].entries()) {
      count += this.#counts[at]!;
      yield { suffix: "_bucket", labels: { le: String(bound) }, value: count };
    }
    yield { suffix: "_sum", value: this.#sum };
    yield { suffix: "_count", value: count };
  }
}
