/** Makes connection tracking forget flows that a change of the firewall left behind. */

import { sleep } from "../async/sleep.ts";
import type { Family } from "../net/ip.ts";
import type { Connection } from "../netlink/connection.ts";
import {
  deleteConnection,
  IPS_SRC_NAT,
  listConnections,
  type TrackedConnection,
} from "../netlink/conntrack.ts";
import { MalformedError, NetlinkError } from "../netlink/error.ts";
import type { FirewallChange } from "../netlink/nftables/change.ts";
import { covers, type IntervalDifference } from "./firewall/intervals.ts";
import {
  EVERYTHING,
  isMadeFromNothing,
  type Masquerading,
  newlyKnown,
  staleFlows,
} from "./flows.ts";
import { type Warning, warning } from "../net/warning.ts";

const FAMILIES = [4, 6] as const;

/** Flows per batch; between batches other work runs. A batch takes some milliseconds. */
const PIECE = 200;

/** Undefined for a family without firewall. */
type InForce = ReadonlyMap<Family, Masquerading>;

/**
 * Reads the table of connections only when destinations have become known. A kernel that does not let
 * us is no reason to stop: then such flows end when nobody sends.
 */
export class FlowApplier {
  readonly #connection: Connection;
  readonly #open: () => Connection;
  #isFirst = true;
  #problem: Error | undefined;

  /** Takes a connection to netfilter, and how to open another. */
  constructor(connection: Connection, open: () => Connection) {
    this.#connection = connection;
    this.#open = open;
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
   * Must be called with every change of the firewall in order, once it is in force. Forgets the flows
   * that it left behind, and returns how many. An existing table at the start counts as a change,
   * because its maker may have ended before forgetting flows.
   */
  async follow(changes: readonly FirewallChange[], inForce: InForce): Promise<number> {
    const differences = FAMILIES.map((family) => this.#differenceIn(changes, family));
    this.#isFirst = false;
    return await this.#tryForget(differences, inForce);
  }

  /** As {@link follow}, where others masqueraded until now by rules that were not ours. */
  async followOthers(inForce: InForce): Promise<number> {
    return await this.#tryForget(FAMILIES.map(() => EVERYTHING), inForce);
  }

  #differenceIn(
    changes: readonly FirewallChange[],
    family: Family,
  ): IntervalDifference | undefined {
    if (isMadeFromNothing(changes, family)) return undefined;
    return this.#isFirst ? EVERYTHING : newlyKnown(changes, family);
  }

  /** Takes a difference for each family. */
  async #tryForget(
    differences: readonly (IntervalDifference | undefined)[],
    inForce: InForce,
  ): Promise<number> {
    if (differences.every((difference) => difference === undefined)) return 0;
    let count = 0;
    try {
      this.#problem = undefined;
      for (const [index, family] of FAMILIES.entries()) {
        const [masquerading, difference] = [inForce.get(family), differences[index]];
        if (!masquerading?.known.length || !difference) continue;
        for await (const stale of this.#stale(family, masquerading, difference)) {
          this.#forget(stale);
          count += stale.length;
        }
      }
    } catch (error) {
      if (!(error instanceof NetlinkError || error instanceof MalformedError)) throw error;
      this.#problem = error;
    }
    return count;
  }

  /** In pieces: a host may track hundreds of thousands, and hardly any of them is stale. */
  async *#stale(
    family: Family,
    masquerading: Masquerading,
    difference: IntervalDifference,
  ): AsyncGenerator<readonly TrackedConnection[], void> {
    // A connection whose dump is not at its end takes no other requests.
    using connection = this.#open();
    const answersFrom = (address: bigint) => covers(masquerading.known, address);
    const filter = { family, status: IPS_SRC_NAT, answersFrom };
    for await (const flows of listConnections(connection, filter)) {
      const stale = staleFlows(flows, masquerading, difference);
      for (let at = 0; at < stale.length; at += PIECE) {
        yield stale.slice(at, at + PIECE);
        await sleep(0);
      }
    }
  }

  #forget(stale: readonly TrackedConnection[]): void {
    const errors = this.#connection.execute(stale.map(deleteConnection));
    const failure = errors.find((error) => error && !error.isNotFound());
    if (failure) throw failure;
  }
}
