/** Makes the kernel's firewall as desired, and remembers what was reached. */

import type { Firewall } from "../../net/firewall.ts";
import type { Family } from "../../net/ip.ts";
import type { Connection } from "../../netlink/connection.ts";
import { NetlinkError } from "../../netlink/error.ts";
import type { FirewallChange } from "../../netlink/nftables/change.ts";
import { getGeneration, readGeneration } from "../../netlink/nftables/generation.ts";
import { commit, transact } from "../../netlink/nftables/transaction.ts";
import { type DesiredFamily, diffFamily, diffSets, equalStructure, removal } from "./diff.ts";
import { renderHostRules } from "./host_rules.ts";
import { observe, type Observed } from "./observe.ts";
import { observeOperations, type Operation, operationsOf } from "./operations.ts";
import {
  type KiloTable,
  newCovers,
  renderChains,
  renderSets,
  type Sets,
  unionSets,
  withholdMasquerade,
} from "./rendering.ts";
import { takeOver } from "./takeover.ts";
import { type Warning, warning } from "../../net/warning.ts";

const FAMILIES = [4, 6] as const;
/** How often both families are tried before one counts as absent. */
const ATTEMPTS = 3;

/**
 * - `begin`, before routes change: only adds to the sets. If nothing is masqueraded yet, masquerading
 *   does not begin, so that at a start from nothing the routes come first.
 * - `complete`, after routes changed: the desired state and nothing else.
 */
export type Stage = "begin" | "complete";

export interface FirewallApplyOptions {
  /** Default: `complete`. */
  readonly stage?: Stage;
}

/**
 * Owns the tables `ip kilo` and `ip6 kilo`. It observes the kernel at first and after
 * {@link invalidate}; otherwise it trusts what it reached. So an unchanged firewall costs no system
 * call, and other members cost one transaction with a few elements.
 */
export class FirewallApplier {
  readonly #connection: Connection;
  readonly #did: (operations: readonly Operation[]) => void;
  readonly #covers = { 4: newCovers(4), 6: newCovers(6) };
  /** What each family's table and the host's chains have of ours; undefined: not known. */
  #reached: ReadonlyMap<Family, DesiredFamily> | undefined;
  /** The desired state, if all of it was reached. */
  #desired: Firewall | undefined;
  #ipv6Problem: NetlinkError | undefined;
  /** The nf_tables generation in which all was as reached; undefined: not known. */
  #generation: number | undefined;
  #mustVerify = false;

  /** `did` is told what was done, to be counted. */
  constructor(
    connection: Connection,
    { did = () => {} }: { readonly did?: (operations: readonly Operation[]) => void } = {},
  ) {
    this.#connection = connection;
    this.#did = did;
  }

  /** Why this kernel has no IPv6 firewall, as last observed; undefined if it has one. */
  get ipv6Problem(): NetlinkError | undefined {
    return this.#ipv6Problem;
  }

  get warnings(): readonly Warning[] {
    const problem = this.#ipv6Problem;
    if (!problem) return [];
    return [warning("firewall", "IPv6", `there is no firewall for IPv6: ${problem.message}`)];
  }

  /** Is it known to be as it was last desired? */
  get isInForce(): boolean {
    return this.#desired !== undefined;
  }

  /** What is in force in each family; nothing until it is known. */
  get sets(): ReadonlyMap<Family, Sets> {
    return new Map([...this.#reached ?? []].map(([family, { table }]) => [family, table.sets]));
  }

  /** The kernel may have changed: it is observed before the next change. */
  invalidate(): void {
    this.#reached = undefined;
    this.#desired = undefined;
  }

  /** Observes before the next change if somebody else made a transaction since the last one. */
  verify(): void {
    this.#mustVerify = true;
  }

  /**
   * Makes the firewall what is desired, in one transaction; returns what that changed. A NetlinkError
   * if the kernel refuses it: then everything is as it was.
   */
  apply(
    desired: Firewall,
    { stage = "complete" }: FirewallApplyOptions = {},
  ): readonly FirewallChange[] {
    if (this.#mustVerify && this.#readGeneration() !== this.#generation) this.invalidate();
    this.#mustVerify = false;
    if (this.#desired === desired) return [];
    const changes = this.#changeMembers(desired, stage) ?? this.#change(desired, stage);
    if (stage === "complete") this.#desired = desired;
    return changes;
  }

  /** Removes what the original agent left, once ours is in force; returns what was there. */
  takeOver(): readonly FirewallChange[] {
    return this.#done(takeOver(this.#connection));
  }

  /** Takes everything of ours out of the kernel; returns what was there. */
  remove(): readonly FirewallChange[] {
    this.invalidate();
    return this.#done(transact(
      this.#connection,
      () => FAMILIES.flatMap((family) => removal(family, this.#observe(family))),
    ));
  }

  /** Without observing, if only set elements differ; else undefined. */
  #changeMembers(
    desired: Firewall,
    stage: Stage,
  ): readonly FirewallChange[] | undefined {
    if (!this.#reached) return undefined;
    const desiredFamilies = new Map<Family, DesiredFamily>();
    const changes: FirewallChange[] = [];
    for (const [family, reached] of this.#reached) {
      const rendered = this.#render(desired, { family, stage, present: reached.table });
      if (!equalStructure(reached, rendered)) return undefined;
      changes.push(...diffSets(family, reached.table.sets, rendered.table.sets));
      desiredFamilies.set(family, rendered);
    }
    if (changes.length > 0 && !this.#tryCommit(changes)) return undefined;
    this.#follow(this.#generation, changes);
    this.#reached = desiredFamilies;
    return changes;
  }

  /** False if the kernel refuses it: somebody has changed our sets, so they must be observed. */
  #tryCommit(changes: readonly FirewallChange[]): boolean {
    try {
      commit(this.#connection, changes);
      this.#done(changes);
      return true;
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
      return false;
    }
  }

  /** Observes the kernel, then changes it. */
  #change(desired: Firewall, stage: Stage): readonly FirewallChange[] {
    this.invalidate();
    this.#generation = undefined;
    try {
      const generation = this.#readGeneration();
      const changes = this.#changeBoth(desired, stage);
      this.#ipv6Problem = undefined;
      this.#follow(generation, changes);
      return changes;
    } catch (error) {
      if (!(error instanceof NetlinkError && lacksSomething(error))) throw error;
      // Throws the same again unless it is IPv6 that is missing.
      const changes = this.#changeFamilies([4], desired, stage);
      this.#ipv6Problem = error;
      return changes;
    }
  }

  /** Tries again if another program deletes our tables meanwhile. */
  #changeBoth(desired: Firewall, stage: Stage): readonly FirewallChange[] {
    for (let attempt = 1;; attempt++) {
      try {
        return this.#changeFamilies(FAMILIES, desired, stage);
      } catch (error) {
        const isGone = error instanceof NetlinkError && error.isNotFound();
        if (!isGone || attempt === ATTEMPTS) throw error;
      }
    }
  }

  #changeFamilies(
    families: readonly Family[],
    desired: Firewall,
    stage: Stage,
  ): readonly FirewallChange[] {
    const desiredFamilies = new Map<Family, DesiredFamily>();
    const changes = transact(this.#connection, () =>
      families.flatMap((family) => {
        const observed = this.#observe(family);
        const rendered = this.#render(desired, { family, stage, present: observed.table });
        desiredFamilies.set(family, rendered);
        return diffFamily(family, observed, rendered);
      }));
    this.#reached = desiredFamilies;
    return this.#done(changes);
  }

  /** Each transaction increments the generation: any other number means that it was not just ours. */
  #follow(before: number | undefined, changes: readonly FirewallChange[]): void {
    this.#generation = before !== undefined && changes.length > 0 ? before + 1 : before;
  }

  #readGeneration(): number {
    return readGeneration(this.#connection.get(getGeneration()));
  }

  #observe(family: Family): Observed {
    this.#did(observeOperations(family));
    return observe(this.#connection, family);
  }

  #done(changes: readonly FirewallChange[]): readonly FirewallChange[] {
    this.#did(operationsOf(changes));
    return changes;
  }

  #render(
    desired: Firewall,
    options: {
      readonly family: Family;
      readonly stage: Stage;
      readonly present: Observed["table"];
    },
  ): DesiredFamily {
    const { family, stage, present } = options;
    const sets = renderSets(desired, this.#covers[family]);
    return {
      table: {
        chains: renderChains(desired, family),
        sets: stage === "begin" ? setsToBegin(sets, present) : sets,
      },
      host: renderHostRules(desired),
    };
  }
}

function setsToBegin(desired: Sets, present: Observed["table"]): Sets {
  if (present === "unfit") return desired;
  const sets = present === "absent" ? desired : unionSets(present.sets, desired);
  return masqueradesNothing(present) ? withholdMasquerade(sets) : sets;
}

/** What it would take to make the firewall what is desired; changes nothing. */
export function planFirewall(connection: Connection, desired: Firewall): readonly FirewallChange[] {
  return FAMILIES.flatMap((family) =>
    diffFamily(family, observe(connection, family), {
      table: {
        chains: renderChains(desired, family),
        sets: renderSets(desired, newCovers(family)),
      },
      host: renderHostRules(desired),
    })
  );
}

function masqueradesNothing(table: KiloTable | "absent"): boolean {
  if (table === "absent") return true;
  return table.sets.sources.length === 0 && table.sets.destinations.length === 0;
}

/** A part of nf_tables that this kernel does not have is refused with one of these. */
function lacksSomething(error: NetlinkError): boolean {
  return error.isUnsupported() || error.isNotFound();
}
