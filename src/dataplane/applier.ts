/** Makes entries of one kind (routes, policy rules) as desired, and remembers what was reached. */

import type { NetlinkError } from "../netlink/error.ts";
import { changedPart } from "./changed_part.ts";
import { type Warning, warning } from "../net/warning.ts";

/** `replace` puts `entry` where `old` is, in one step. */
export type EntryChange<Entry> =
  | { readonly verb: "add" | "remove"; readonly entry: Entry }
  | { readonly verb: "replace"; readonly entry: Entry; readonly old: Entry };

/** What entries of a kind are, and how the kernel is asked to change them. */
export interface Kind<Entry> {
  /** Ordered changes: no desired entry is missing in between. Pure. */
  diff(desired: readonly Entry[], observed: readonly Entry[]): readonly EntryChange<Entry>[];
  /** Text by which an entry is known; desired entries have different ones. */
  identity(entry: Entry): string;
  equal(a: Entry, b: Entry): boolean;
  /** One answer for each change, in order; undefined: done. */
  execute(changes: readonly EntryChange<Entry>[]): readonly (NetlinkError | undefined)[];
}

export interface Result {
  /** How many entries were added, replaced or removed. */
  readonly changed: number;
  /** How many changes the kernel does not accept. */
  readonly refused: number;
  /** One for each cause of refusal. */
  readonly warnings: readonly Warning[];
}

/** A change that is not tried again before the kernel is observed again. */
interface Refusal<Entry> {
  readonly change: EntryChange<Entry>;
  readonly error: NetlinkError;
}

/**
 * Observes the kernel at first and after {@link invalidate}; otherwise it trusts what it reached.
 * So an unchanged list costs no system call.
 */
export class Applier<Entry> {
  readonly #kind: Kind<Entry>;
  /** Undefined: observe. The desired value itself, where all of it was reached. */
  #known: readonly Entry[] | undefined;
  #desired: readonly Entry[] = [];
  #refusals: readonly Refusal<Entry>[] = [];
  #warnings: readonly Warning[] = [];

  constructor(kind: Kind<Entry>) {
    this.#kind = kind;
  }

  /** What the kernel has of ours, as far as that is known. */
  get known(): readonly Entry[] | undefined {
    return this.#known;
  }

  /** Is there nothing that the kernel did not let us take away, or take the place of? */
  get hasRemoved(): boolean {
    return this.#refusals.every(({ change }) => change.verb === "add");
  }

  /** The kernel may have changed: observe it before the next change, and try again what was refused. */
  invalidate(): void {
    this.#known = undefined;
  }

  /**
   * Makes what `observe` finds equal to the desired state. One refused change hinders no other. Throws what
   * `observe` throws.
   */
  apply(desired: readonly Entry[], observe: () => readonly Entry[]): Result {
    const known = this.#known;
    if (known && this.#isLastDesired(desired)) {
      return { changed: 0, refused: this.#refusals.length, warnings: this.#warnings };
    }
    const observed = known ?? observe();
    this.#known = undefined; // for the case of an exception
    const differing = observed === this.#desired
      ? changedPart({ before: observed, after: desired }, this.#kind.equal)
      : { before: observed, after: desired };
    const { changes, kept } = this.#split(this.#kind.diff(differing.after, differing.before), {
      refusals: known ? this.#refusals : [],
    });
    const { done, refused } = this.#execute(changes);

    this.#refusals = [...kept, ...refused];
    this.#warnings = warningsFor(this.#refusals);
    this.#desired = desired;
    if (this.#refusals.length === 0) this.#known = desired;
    else if (!refused.some(leavesStateUnknown)) this.#known = reached(observed, done);
    return {
      changed: done.length,
      refused: this.#refusals.length,
      warnings: this.#warnings,
    };
  }

  #isLastDesired(desired: readonly Entry[]): boolean {
    const last = this.#desired;
    return desired === last || desired.length === last.length &&
        desired.every((entry, at) => this.#kind.equal(entry, last[at]!));
  }

  /** Sets aside what was refused before and is still desired the same. */
  #split(
    proposed: readonly EntryChange<Entry>[],
    { refusals }: { readonly refusals: readonly Refusal<Entry>[] },
  ): { changes: readonly EntryChange<Entry>[]; kept: readonly Refusal<Entry>[] } {
    if (refusals.length === 0) return { changes: proposed, kept: [] };
    const { identity, equal } = this.#kind;
    const known = new Map(refusals.map((refusal) => [identity(refusal.change.entry), refusal]));
    const changes: EntryChange<Entry>[] = [];
    const kept: Refusal<Entry>[] = [];
    for (const change of proposed) {
      const refusal = known.get(identity(change.entry));
      const isSame = refusal?.change.verb === change.verb &&
        equal(refusal.change.entry, change.entry);
      if (isSame) kept.push(refusal);
      else changes.push(change);
    }
    return { changes, kept };
  }

  /** What is refused may have waited for another change of the same lot, so it gets a second try. */
  #execute(changes: readonly EntryChange<Entry>[]): Outcome<Entry> {
    const first = this.#try(changes);
    if (first.refused.length === 0 || first.done.length === 0) return first;
    const second = this.#try(first.refused.map(({ change }) => change));
    return { done: [...first.done, ...second.done], refused: second.refused };
  }

  #try(changes: readonly EntryChange<Entry>[]): Outcome<Entry> {
    if (changes.length === 0) return { done: [], refused: [] };
    const answers = this.#kind.execute(changes);
    const done: EntryChange<Entry>[] = [];
    const refused: Refusal<Entry>[] = [];
    changes.forEach((change, at) => {
      const error = answers[at];
      if (!error || isDoneAlready(change, error)) done.push(change);
      else refused.push({ change, error });
    });
    return { done, refused };
  }
}

interface Outcome<Entry> {
  readonly done: readonly EntryChange<Entry>[];
  readonly refused: readonly Refusal<Entry>[];
}

function isDoneAlready(change: EntryChange<unknown>, error: NetlinkError): boolean {
  return change.verb === "remove" ? error.isNotFound() : error.isExists();
}

/** A refused addition leaves all as it was; after any other failure the state is unknown. */
function leavesStateUnknown({ change, error }: Refusal<unknown>): boolean {
  return change.verb === "remove" || error.isOutcomeUnknown();
}

function reached<Entry>(
  observed: readonly Entry[],
  done: readonly EntryChange<Entry>[],
): readonly Entry[] {
  if (done.length === 0) return observed;
  const gone = new Set(done.map((change) => change.verb === "replace" ? change.old : change.entry));
  const come = done.flatMap((change) => change.verb === "remove" ? [] : [change.entry]);
  return [...observed.filter((entry) => !gone.has(entry)), ...come];
}

function causeOf({ change, error }: Refusal<unknown>): string {
  return `${change.verb} ${error.code} ${error.kernelMessage}`;
}

function warningsFor(refused: readonly Refusal<unknown>[]): Warning[] {
  return [...Map.groupBy(refused, causeOf).values()].map(([first, ...others]) => {
    const more = others.length > 0 ? `, and ${others.length} more like it` : "";
    const { change, error } = first!;
    return warning("route", `${change.verb}: ${error.code}`, error.message + more);
  });
}
