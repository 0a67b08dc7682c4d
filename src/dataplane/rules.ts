/** Our policy rules in the kernel: observe, diff and apply. */

import { KILO_TABLE, ROUTE_PROTOCOL } from "../net/route.ts";
import type { Connection } from "../netlink/connection.ts";
import type { Message } from "../netlink/message.ts";
import { addRule, deleteRule, listRules, parseRule, type RuleEntry } from "../netlink/rule.ts";
import { Applier, type EntryChange, type Result } from "./applier.ts";
import { ruleIdentity } from "./resolve.ts";

/** `FRA_PROTOCOL` of rules whose maker does not say, such as the original agent's. */
const RTPROT_UNSPEC = 0;

/** Keeps our policy rules in the kernel as desired. Those of others are neither changed nor removed. */
export class RuleApplier {
  readonly #connection: Connection;
  readonly #applier: Applier<RuleEntry>;
  #tookOver = false;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#applier = new Applier({
      diff: diffRules,
      identity: ruleIdentity,
      equal: (a, b) => a === b || ruleIdentity(a) === ruleIdentity(b),
      execute: (changes) =>
        connection.execute(
          changes.map(({ verb, entry }) => verb === "remove" ? deleteRule(entry) : addRule(entry)),
        ),
    });
  }

  /** The kernel's rules may have changed. */
  invalidate(): void {
    this.#applier.invalidate();
  }

  /** The first time, the original agent's rules are removed after ours were added. */
  apply(desired: readonly RuleEntry[]): Result {
    const result = this.#applier.apply(desired, () => this.#observe());
    this.#tookOver ||= this.#applier.hasRemoved;
    return result;
  }

  /** Removes all of ours; what the original agent left, too, if nothing was applied before. */
  remove(): Result {
    this.#applier.invalidate();
    return this.apply([]);
  }

  #observe(): RuleEntry[] {
    return listRules(this.#connection).filter((rule) =>
      rule.protocol === ROUTE_PROTOCOL || !this.#tookOver && isOriginals(rule)
    );
  }
}

/** May this event have changed a rule of ours? */
export function affectsRules(event: Message): boolean {
  return parseRule(event)?.protocol === ROUTE_PROTOCOL;
}

function isOriginals({ protocol, table }: RuleEntry): boolean {
  return protocol === RTPROT_UNSPEC && table === KILO_TABLE;
}

/** What turns `observed` (ours, and what we take over) into `desired`: first what is added. */
export function diffRules(
  desired: readonly RuleEntry[],
  observed: readonly RuleEntry[],
): EntryChange<RuleEntry>[] {
  const missing = new Map(desired.map((entry) => [ruleIdentity(entry), entry]));
  // A duplicate is not desired.
  const stale = observed.filter((entry) => !missing.delete(ruleIdentity(entry)));
  return [
    ...[...missing.values()].map((entry) => ({ verb: "add", entry }) as const),
    ...stale.map((entry) => ({ verb: "remove", entry }) as const),
  ];
}
