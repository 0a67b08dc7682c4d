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

const FAMILIES = [4, 6] as const;

/**
 * Reads the table of connections only when destinations have become known since the last time. A
 * kernel that does not let us is no reason to stop: then such flows end when nobody sends.
 */
export class FlowApplier {
  readonly #connection: Connection;
  /** What has become known since the last time, in each family where something has. */
  readonly #pending = new Map<Family, IntervalDifference[]>();
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

  /**
   * To be told every change of the firewall, in order. Of a table that is there at first nobody
   * knows whether whoever made it came to forget flows.
   */
  note(changes: readonly Change[]): void {
    for (const family of FAMILIES) {
      if (isMadeFromNothing(changes, family)) continue;
      const difference = this.#isFirst ? EVERYTHING : newlyKnown(changes, family);
      if (difference) this.#pend(family, difference);
    }
    this.#isFirst = false;
  }

  /** Others masqueraded until now, by rules that were not ours. */
  noteOthers(): void {
    for (const family of FAMILIES) this.#pend(family, EVERYTHING);
  }

  /** Forgets the flows that should no longer be masqueraded; returns how many there were. */
  apply(inForce: ReadonlyMap<Family, Masquerading>): number {
    if (this.#pending.size === 0) return 0;
    const pending = [...this.#pending];
    this.#pending.clear();
    try {
      this.#problem = undefined;
      return pending.reduce((count, [family, differences]) => {
        const masquerading = inForce.get(family);
        return masquerading ? count + this.#forget(family, masquerading, differences) : count;
      }, 0);
    } catch (error) {
      if (!(error instanceof NetlinkError || error instanceof MalformedError)) throw error;
      this.#problem = error;
      return 0;
    }
  }

  #pend(family: Family, difference: IntervalDifference): void {
    this.#pending.set(family, [...this.#pending.get(family) ?? [], difference]);
  }

  #forget(
    family: Family,
    masquerading: Masquerading,
    differences: readonly IntervalDifference[],
  ): number {
    const flows = listConnections(this.#connection, { family, status: IPS_SRC_NAT });
    const stale = staleFlows(flows, masquerading, differences);
    const errors = this.#connection.execute(stale.map(deleteConnection));
    const failure = errors.find((error) => error && !error.isNotFound());
    if (failure) throw failure;
    return stale.length;
  }
}
