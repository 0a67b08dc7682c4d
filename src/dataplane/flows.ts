/**
 * Flows that are masqueraded and should not be any more. Connection tracking decides about a flow
 * once, with its first packet, and remembers that for as long as packets follow. So a flow that was
 * begun before its destination joined the mesh would go on under an address that WireGuard at the
 * other end refuses; forgotten, it is decided again with its next packet.
 */

import type { Family } from "../net/ip.ts";
import { IPS_SEEN_REPLY, IPS_SRC_NAT, type TrackedConnection } from "../netlink/conntrack.ts";
import type { FirewallChange } from "../netlink/nftables/change.ts";
import type { Interval } from "../netlink/nftables/interval.ts";
import { covers, type IntervalDifference } from "./firewall/intervals.ts";
import { DIALECTS, type SetName, type Sets, TABLE_NAME } from "./firewall/rendering.ts";

/** Of one family: sources that are masqueraded, and destinations for which they are not. */
export type Masquerading = Pick<Sets, "sources" | "destinations" | "known">;

/** As if everything had become known. */
export const EVERYTHING: IntervalDifference = {
  added: [{ start: 0n, end: 1n << 128n }],
  removed: [],
};

/** Was there no table before these changes? Then nobody was masqueraded by it. */
export function isMadeFromNothing(changes: readonly FirewallChange[], family: Family): boolean {
  const verbs = changes.filter((change) => change.kind === "table")
    .filter((change) => change.table.family === DIALECTS[family].table).map(({ verb }) => verb);
  return verbs.includes("add") && !verbs.includes("delete");
}

/** What these changes do to the set of known destinations; undefined if they add nothing to it. */
export function newlyKnown(
  changes: readonly FirewallChange[],
  family: Family,
): IntervalDifference | undefined {
  const added = knownIntervals(changes, { family, verb: "add" });
  if (added.length === 0) return undefined;
  return { added, removed: knownIntervals(changes, { family, verb: "delete" }) };
}

const KNOWN: SetName = "known";

function knownIntervals(
  changes: readonly FirewallChange[],
  { family, verb }: { readonly family: Family; readonly verb: "add" | "delete" },
): readonly Interval[] {
  const found = changes.find((change) =>
    change.kind === "elements" && change.verb === verb && change.set.name === KNOWN &&
    change.set.table === TABLE_NAME && change.set.family === DIALECTS[family].table
  );
  return found?.kind === "elements" ? found.intervals : [];
}

/**
 * The flows of one family that are masqueraded although their destination is known, and was not
 * before this difference. What the rules see is the destination after its own translation,
 * which is where answers come from.
 *
 * A flow is left alone if it has been answered and bears an address of the mesh itself: it lives, as
 * those to a neighbour's own address do, and to change its source now would break it.
 */
export function staleFlows(
  flows: readonly TrackedConnection[],
  { sources, destinations, known }: Masquerading,
  { added, removed }: IntervalDifference,
): TrackedConnection[] {
  return flows.filter(({ original, reply, status }) => {
    const [from, to, as] = [original.source.value, reply.source.value, reply.destination.value];
    const isMasqueraded = (status & IPS_SRC_NAT) !== 0 && as !== from;
    if (!isMasqueraded || !covers(known, to)) return false;
    const isOurs = covers(sources, from) || covers(destinations, to);
    const isNew = covers(added, to) && !covers(removed, to);
    const lives = (status & IPS_SEEN_REPLY) !== 0 && covers(known, as);
    return isOurs && isNew && !lives;
  });
}
