/** What works and what does not, for those who ask whether the agent is alive and of use. */

/** Milliseconds; mostly what fails is repaired within seconds. */
const GRACE = 60_000;

export interface PartReport {
  readonly name: string;
  /** `waiting`: it has done nothing yet. */
  readonly state: "waiting" | "works" | "fails";
  /** Seconds it has been so. */
  readonly seconds: number;
  readonly problem?: string;
}

export interface HealthReport {
  readonly ready: boolean;
  /** The step of the start that is waited for; null: the start is over. */
  readonly pending: string | null;
  readonly parts: readonly PartReport[];
}

interface Part {
  state: PartReport["state"];
  since: number;
  problem: string | undefined;
  /** Milliseconds that it may fail before the agent counts as not ready. */
  grace: number;
}

/** Told by each part how it fares; times are monotonic, in milliseconds. */
export class Health<Name extends string> {
  readonly #parts: ReadonlyMap<Name, Part>;
  readonly #clock: () => number;
  /** The step of the start that is waited for; undefined: the mesh stands. */
  pending: string | undefined;

  constructor(
    parts: readonly Name[],
    { pending, clock = () => performance.now() }: {
      readonly pending: string;
      readonly clock?: () => number;
    },
  ) {
    this.#clock = clock;
    this.pending = pending;
    const since = clock();
    this.#parts = new Map(
      parts.map((name) => [name, { state: "waiting", since, problem: undefined, grace: GRACE }]),
    );
  }

  works(name: Name): void {
    this.#set(name, "works", undefined);
  }

  /**
   * `problem`: what a person should know of it. `grace`: milliseconds that it may fail before the agent
   * counts as not ready.
   */
  fails(name: Name, problem: string, { grace = GRACE }: { readonly grace?: number } = {}): void {
    this.#set(name, "fails", problem);
    this.#parts.get(name)!.grace = grace;
  }

  /** Ready: the mesh stands, and no part has failed for long. */
  report(): HealthReport {
    const now = this.#clock();
    const parts = [...this.#parts];
    const isBroken = parts.some(([, { state, since, grace }]) =>
      state === "fails" && now - since >= grace
    );
    return {
      ready: this.pending === undefined && !isBroken,
      pending: this.pending ?? null,
      parts: parts.map(([name, { state, since, problem }]) => ({
        name,
        state,
        seconds: Math.floor((now - since) / 1000),
        ...problem !== undefined && { problem },
      })),
    };
  }

  #set(name: Name, state: PartReport["state"], problem: string | undefined): void {
    const part = this.#parts.get(name)!;
    if (part.state !== state) part.since = this.#clock();
    part.state = state;
    part.problem = problem;
  }
}
