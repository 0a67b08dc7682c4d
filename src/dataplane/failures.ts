/** What goes wrong with one part of the kernel costs only that part: it is noted, and the rest goes on. */

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

  /** With those of before. */
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

  /** What the step returns, or `instead` of what it throws, which is noted. */
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

/** Some parts failed, as warnings tell; the others are as they should be. */
export class PartialFailure extends Error {
  override readonly name = "PartialFailure";

  constructor(failures: readonly Failure[]) {
    super(failures.map(({ warning }) => warning.text).join("; "));
  }
}

/** Does one after the other, whatever they throw; returns that and what they tell, as text. */
export function failuresOf(steps: readonly (() => readonly string[] | void)[]): readonly string[] {
  return steps.flatMap((step) => {
    try {
      return step() ?? [];
    } catch (error) {
      return [describeError(error)];
    }
  });
}
