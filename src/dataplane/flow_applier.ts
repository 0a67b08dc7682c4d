/** Makes connection tracking forget flows that a change of the firewall left behind. */

import type { Family } from "../net/ip.ts";
import type { Connection } from "../netlink/connection.ts";
import { deleteConnection, IPS_SRC_NAT, listConnections } from "../netlink/conntrack.ts";
import { MalformedError, NetlinkError } from "../netlink/error.ts";
import type { Change } from "../netlink/nftables/change.ts";
import type { IntervalDifference } from "./firewall/intervals.ts";
import {
  EVERYTHING,
  isMadeFromNothing,
  type Masquerading,
  newlyKnown,
  staleFlows,
} from "./flows.ts";
import { type Warning, warning } from "../net/warning.ts";

const FAMILIES = [4, 6] as const;

/** Undefined for a family without firewall. */
type InForce = ReadonlyMap<Family, Masquerading>;

/**
 * Reads the table of connections only when destinations have become known. A kernel that does not let
 * us is no reason to stop: then such flows end when nobody sends.
 */
export class FlowApplier {
  readonly #connection: Connection;
  #isFirst = true;
  #problem: Error | undefined;

  /** Takes a connection to netfilter. */
  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Why flows could not be forgotten the last time that there may have been some. */
  get problem(): Error | undefined {
    return this.#problem;
  }

  get warnings(): readonly Warning[] {
    if (!this.#problem) return [];
    const text = `flows older than their destination may stay dead: ${this.#problem.message}`;
    return [warning("firewall", "connection tracking", text)];
  }

  /**
   * To be told every change of the firewall once it is in force, in order; returns how many flows it
   * left behind, which are forgotten. Of a table that is there at first nobody knows whether whoever
   * made it came to that.
   */
  follow(changes: readonly Change[], inForce: InForce): number {
    const differences = FAMILIES.map((family) => this.#differenceIn(changes, family));
    this.#isFirst = false;
    return this.#tryForget(differences, inForce);
  }

  /** As {@link follow}, where others masqueraded until now by rules that were not ours. */
  followOthers(inForce: InForce): number {
    return this.#tryForget(FAMILIES.map(() => EVERYTHING), inForce);
  }

  #differenceIn(changes: readonly Change[], family: Family): IntervalDifference | undefined {
    if (isMadeFromNothing(changes, family)) return undefined;
    return this.#isFirst ? EVERYTHING : newlyKnown(changes, family);
  }

  /** Takes a difference for each family. */
  #tryForget(differences: readonly (IntervalDifference | undefined)[], inForce: InForce): number {
    if (differences.every((difference) => difference === undefined)) return 0;
    try {
      this.#problem = undefined;
      return FAMILIES.reduce((count, family, index) => {
        const [masquerading, difference] = [inForce.get(family), differences[index]];
        if (!masquerading?.known.length || !difference) return count;
        return count + this.#forget(family, masquerading, difference);
      }, 0);
    } catch (error) {
      if (!(error instanceof NetlinkError || error instanceof MalformedError)) throw error;
      this.#problem = error;
      return 0;
    }
  }

  #forget(family: Family, masquerading: Masquerading, difference: IntervalDifference): number {
    const flows = listConnections(this.#connection, { family, status: IPS_SRC_NAT });
    const stale = staleFlows(flows, masquerading, difference);
    const errors = this.#connection.execute(stale.map(deleteConnection));
    const failure = errors.find((error) => error && !error.isNotFound());
    if (failure) throw failure;
    return stale.length;
  }
}
