/** Collects the warnings that hold now from all who have some, for the log, `/health` and metrics. */

import type { Backend } from "../backend/backend.ts";
import { type Warning, warning } from "../net/warning.ts";
import type { Log } from "./log.ts";
import type { Monitor } from "./monitor.ts";
import type { Resolver } from "./resolver.ts";
import { WarningLog } from "./warning_log.ts";

export interface WarningSources {
  readonly backend: Backend;
  readonly resolver: Resolver;
  /** Those that have their warnings at hand. */
  readonly others: readonly { readonly warnings: readonly Warning[] }[];
  /** The kinds of state whose repairs are backed off. `now`: monotonic milliseconds. */
  readonly backedOff: (now: number) => readonly string[];
}

export class CurrentWarnings {
  readonly #sources: WarningSources;
  readonly #monitor: Monitor;
  readonly #log: WarningLog;
  /** Of the last pass. */
  #ofPass: readonly Warning[] = [];

  constructor(
    sources: WarningSources,
    { monitor, log }: { readonly monitor: Monitor; readonly log: Log },
  ) {
    this.#sources = sources;
    this.#monitor = monitor;
    this.#log = new WarningLog(log);
  }

  /** Reports what holds now. `ofPass` replaces the warnings of the pass before. */
  report(ofPass: readonly Warning[] = this.#ofPass): void {
    const { backend, resolver, others, backedOff } = this.#sources;
    const now = performance.now();
    this.#ofPass = ofPass;
    const present = [
      backend.cluster().problems,
      [...resolver.failures()].map(([name, why]) => {
        const subject = `DNS name ${name}`;
        return warning("dns", subject, `${subject}: ${why}`);
      }),
      others.flatMap(({ warnings }) => warnings),
      backedOff(now).map((kind) =>
        warning(
          "conflict",
          kind,
          `something else keeps undoing our changes (${kind}): they are repaired less and less often`,
        )
      ),
      ofPass,
    ].flat();
    this.#monitor.warnings = present;
    this.#log.update(present, now);
  }
}
