/** Counts things that happen, one count for each combination of labels. */

import type { Metric, Sample } from "./exposition.ts";

export class Tally<Label extends string> {
  readonly #about: Pick<Metric, "name" | "help">;
  readonly #samples = new Map<string, Sample & { value: number }>();

  /** `seen`: combinations that are shown from the start, at zero, so that their first event is a rise. */
  constructor(
    about: {
      readonly name: string;
      readonly help: string;
      readonly seen?: readonly Readonly<Record<Label, string>>[];
    },
  ) {
    this.#about = about;
    for (const labels of about.seen ?? []) this.add(labels, 0);
  }

  add(labels: Readonly<Record<Label, string>>, count = 1): void {
    const key = Object.values(labels).join("\0");
    const sample = this.#samples.get(key);
    if (sample) sample.value += count;
    else this.#samples.set(key, { labels, value: count });
  }

  get metric(): Metric {
    const { name, help } = this.#about;
    return { name, help, type: "counter", samples: this.#samples.values() };
  }
}
