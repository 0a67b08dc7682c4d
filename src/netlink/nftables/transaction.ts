/** Changes to the ruleset, all or nothing. */

import type { Connection } from "../connection.ts";
import { ERESTART } from "../../os/errno.ts";
import { NetlinkError } from "../error.ts";
import { batch } from "./batch.ts";
import { encodeChange, type FirewallChange } from "./change.ts";
import { getGeneration, readGeneration } from "./generation.ts";

/** How often a transaction is planned again because another program changed something meanwhile. */
const ATTEMPTS = 10;

/** Changes that are not based on anything read: a NetlinkError if the kernel refuses them. */
export function commit(
  connection: Connection,
  changes: readonly FirewallChange[],
  options: { readonly generation?: number } = {},
): void {
  const [error] = connection.batch(batch(changes.flatMap(encodeChange), options.generation));
  if (error) throw error;
}

/**
 * Changes that are based on what `plan` reads from the kernel. It is called again if another program
 * made a transaction in between, or if the kernel's answer was lost, and must then find out again what
 * is missing. Returns the last plan, which is in force. A NetlinkError if the kernel refuses it, or
 * if others write so often that no attempt succeeds.
 */
export function transact(
  connection: Connection,
  plan: () => readonly FirewallChange[],
): readonly FirewallChange[] {
  for (let attempt = 1;; attempt++) {
    const generation = readGeneration(connection.get(getGeneration()));
    const changes = plan();
    if (changes.length === 0) return changes;
    try {
      commit(connection, changes, { generation });
      return changes;
    } catch (error) {
      if (attempt === ATTEMPTS || !shallRetry(error)) throw error;
    }
  }
}

function shallRetry(error: unknown): boolean {
  return error instanceof NetlinkError && (error.errno === ERESTART || error.isOutcomeUnknown());
}
