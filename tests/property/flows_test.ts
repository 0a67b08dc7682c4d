/** Flows, decided about by the rules that were in force when they began. */

import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import { newlyKnown, staleFlows } from "../../src/dataplane/flows.ts";
import { diffSets } from "../../src/dataplane/firewall/diff.ts";
import { covers, mergePrefixes } from "../../src/dataplane/firewall/intervals.ts";
import { newCovers, renderSets, type Sets } from "../../src/dataplane/firewall/rendering.ts";
import type { Family } from "../../src/net/ip.ts";
import { contains } from "../../src/net/prefix.ts";
import {
  IPS_SEEN_REPLY,
  IPS_SRC_NAT,
  type TrackedConnection,
} from "../../src/netlink/conntrack.ts";
import { prefixes } from "./firewalls.ts";

const FAMILIES = [4, 6] as const;

interface Ends {
  readonly from: bigint;
  readonly to: bigint;
  /** As whom it is masqueraded, if it is. */
  readonly as: bigint;
  readonly isAnswered: boolean;
}

/** In the corner of the address space in which the prefixes meet. */
const near = fc.bigInt(0n, 63n);
const flows: fc.Arbitrary<Ends[]> = fc.array(
  fc.record({ from: near, to: near, as: near, isAnswered: fc.boolean() }),
  { maxLength: 20 },
);

function shallMasquerade({ sources, destinations, known }: Sets, { from, to }: Ends): boolean {
  return !covers(known, to) && (covers(sources, from) || covers(destinations, to));
}

/** What connection tracking remembers of a flow that began under these sets. */
function track(sets: Sets, flow: Ends, family: Family): TrackedConnection {
  const isMasqueraded = shallMasquerade(sets, flow);
  const tuple = (source: bigint, destination: bigint) => ({
    source: { family, value: source },
    destination: { family, value: destination },
    protocol: undefined,
    zone: undefined,
  });
  return {
    family,
    original: tuple(flow.from, flow.to),
    reply: tuple(flow.to, isMasqueraded ? flow.as : flow.from),
    status: (isMasqueraded ? IPS_SRC_NAT : 0) | (flow.isAnswered ? IPS_SEEN_REPLY : 0),
    id: 0,
    zone: undefined,
  };
}

Deno.test("staleFlows() after a change of members are those that now are begun otherwise", () => {
  fc.assert(
    fc.property(
      fc.record({ sources: prefixes, destinations: prefixes, before: prefixes, after: prefixes }),
      flows,
      fc.constantFrom(...FAMILIES),
      ({ sources, destinations, before, after }, ends, family) => {
        const sets = (keep: typeof before) =>
          renderSets({ nat: { sources, destinations, keep } }, newCovers(family));
        const [old, now] = [sets(before), sets(after)];
        const difference = newlyKnown(diffSets(family, old, now), family);
        const tracked = ends.map((flow) => track(old, flow, family));
        const stale = difference ? staleFlows(tracked, now, difference) : [];
        const expected = tracked.filter((_, index) => {
          const flow = ends[index]!;
          const changes = shallMasquerade(old, flow) && !shallMasquerade(now, flow);
          return changes && flow.as !== flow.from &&
            !(flow.isAnswered && covers(now.known, flow.as));
        });
        deepEqual(stale, expected);
      },
    ),
    { numRuns: 1000 },
  ); // few draw a flow that goes stale
});

Deno.test("covers() tells what is in merged prefixes", () => {
  fc.assert(fc.property(prefixes, near, fc.constantFrom(...FAMILIES), (list, value, family) => {
    const isInside = list.some((prefix) => contains(prefix, { family, value }));
    equal(covers(mergePrefixes(list, family), value), isInside);
  }));
});
