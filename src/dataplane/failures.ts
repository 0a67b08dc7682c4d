/** A failure in one part of the kernel costs only that part: it is recorded, and the others go on. */

import { describeError } from "../net/text.ts";
import { type Warning, warning, type WarningCode } from "../net/warning.ts";

/** A part of what a node's kernel has of the mesh, as warnings have it in their codes. */
const CODES = {
  /** The WireGuard interface as a network device. */
  interface: "device",
  /** Its configuration: key, port, peers. */
  device: "device",
  tunnel: "encapsulation",
  firewall: "firewall",
  routes: "route",
  rules: "route",
} as const satisfies Record<string, WarningCode>;

export type FailedPart = keyof typeof CODES;

/** A part that is not as it is desired, until another attempt succeeds. */
export interface Failure {
  readonly part: FailedPart;
  readonly warning: Warning;
}

/** The failures of one attempt. */
export class Failures {
  readonly #all: Failure[];

  /** Begins with failures of earlier steps. */
  constructor(before: readonly Failure[] = []) {
    this.#all = [...before];
  }

  get all(): readonly Failure[] {
    return [...this.#all];
  }

  has(part: FailedPart): boolean {
    return this.#all.some((failure) => failure.part === part);
  }

  add(part: FailedPart, text: string): void {
    if (this.#all.some((each) => each.part === part && each.warning.text === text)) return;
    this.#all.push({ part, warning: warning(CODES[part], part, text) });
  }

  /** Returns what the step returns. If it throws, records that and returns `instead`. */
  contain<T>(part: FailedPart, step: () => T, instead: T): T {
    try {
      return step();
    } catch (error) {
      this.add(part, describeError(error));
      return instead;
    }
  }

  /** As {@link contain}. */
  async containAsync<T>(part: FailedPart, step: () => Promise<T>, instead: T): Promise<T> {
    try {
      return await step();
    } catch (error) {
      this.add(part, describeError(error));
      return instead;
    }
  }
}

/** Some parts failed, which warnings report; the others are in sync. */
export class PartialFailure extends Error {
  override readonly name = "PartialFailure";

  constructor(failures: readonly Failure[]) {
    super(failures.map(({ warning }) => warning.text).join("; "));
  }
}

/** Runs all steps in order, even if one throws; returns errors and problems as text. */
export function failuresOf(steps: readonly (() => readonly string[] | void)[]): readonly string[] {
  return steps.flatMap((step) => {
    try {
      return step() ?? [];
    } catch (error) {
      return [describeError(error)];
    }
  });
}
