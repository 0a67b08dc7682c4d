/** What becomes of a destination that meets what the host keeps, or what a node has (pure). */

import { AddressMap } from "../net/address_map.ts";
import { type IP, width } from "../net/ip.ts";
import { formatPrefix, hostPrefix, type Prefix } from "../net/prefix.ts";
import { PrefixMap } from "../net/prefix_map.ts";
import type { Claim } from "../net/route.ts";
import { type Holder, type Holders, nameOf } from "./holders.ts";
import type { HostFacts, Way } from "./host_facts.ts";
import { describeAddress, type KeptAddress } from "./kept_addresses.ts";
import type { CompleteNode } from "./readiness.ts";

/** No route of ours is shorter: it would be a default route, or half of one. */
const SHORTEST = 8;

/** What is to be done with a destination that cannot just be routed. */
export interface Verdict {
  /** False: it is left out. */
  readonly isRouted: boolean;
  /** Addresses inside, in order, which need routes of their own by the underlay. */
  readonly around: readonly IP[];
  /** The end of a sentence that begins with the network: `is not routed: …`. */
  readonly reason: string;
  /** It belongs to a node. */
  readonly holder?: Holder;
  /** So it is by design, and nobody needs to be told. */
  readonly isExpected?: true;
}

type Kind = Claim["kind"];

export class Kept {
  /** The pods of this node. */
  readonly #own = new PrefixMap<true>();
  readonly #holders: Holders;
  readonly #networks = new PrefixMap<HostFacts["networks"][number]>();
  readonly #ways = new PrefixMap<Way>();
  readonly #addresses = new AddressMap<KeptAddress>();

  /** Of addresses that are named twice the first counts. */
  constructor(
    local: CompleteNode,
    { holders, facts, addresses }: {
      readonly holders: Holders;
      readonly facts: Pick<HostFacts, "networks" | "ways">;
      readonly addresses: readonly KeptAddress[];
    },
  ) {
    this.#own.set(local.subnet, true);
    this.#holders = holders;
    for (const each of facts.networks) this.#networks.set(each.prefix, each);
    for (const way of facts.ways) {
      const rival = this.#ways.get(way.dst);
      if (!rival || way.metric < rival.metric) this.#ways.set(way.dst, way);
    }
    for (const kept of addresses) this.#addresses.add(kept.ip, kept);
  }

  /** Undefined: the destination is routed as it is. */
  verdict(dst: Prefix, { kind, owner }: Claim): Verdict | undefined {
    if (dst.bits < SHORTEST) {
      return leftOut("a route to so wide a network would take the host's default route");
    }
    const holder = this.#holderOf(dst, kind);
    const taken = holder && nameOf(holder) !== owner ? { holder } : undefined;
    if (this.#own.covering(dst)) {
      return { ...leftOut("the pods of this node are there"), ...taken };
    }
    if (taken) {
      const what = formatPrefix(taken.holder.network);
      return { ...leftOut(`${what} belongs to ${nameOf(taken.holder)}`), ...taken };
    }
    const isOwnEndpoint = kind === "internal" && this.#addresses.get(dst.ip)?.node === owner;
    if (!isOwnEndpoint) return this.#meetsNetwork(dst) ?? this.#meetsAddress(dst);
    // Where a node is reached at its internal address, only others need a route to it.
    return this.#networks.covering(dst) && { ...leftOut("it is on link"), isExpected: true };
  }

  /** How the host reaches an address without the mesh. */
  way(ip: IP): Way | undefined {
    return this.#ways.covering(hostPrefix(ip));
  }

  /** Of a node's claims only the same one is a rival's: smaller networks may lie in larger ones. */
  #holderOf(dst: Prefix, kind: Kind): Holder | undefined {
    const { networks, warnings } = this.#holders;
    if (kind === "peer" || kind === "location") return networks.covering(dst);
    return warnings.length > 0 ? networks.get(dst) : undefined;
  }

  #meetsNetwork(dst: Prefix): Verdict | undefined {
    const same = this.#networks.get(dst);
    if (same) return leftOut(`it is a network of this host, on ${same.device}`);
    const around = this.#networks.around(dst);
    const [kept] = around ? this.#addresses.within(dst) : [];
    return around && kept && leftOut(`it holds ${describeAddress(kept)}, on ${around.device}`);
  }

  #meetsAddress(dst: Prefix): Verdict | undefined {
    if (dst.bits === width(dst.ip.family)) {
      const kept = this.#addresses.get(dst.ip);
      return kept && leftOut(`it is ${describeAddress(kept)}`);
    }
    const kept = this.#addresses.within(dst).filter(({ ip, isOwn }) =>
      !isOwn && !this.#isApart(ip, dst)
    );
    const [first] = kept;
    if (!first) return undefined;
    const lost = kept.find(({ ip }) => !this.way(ip));
    if (lost) {
      return leftOut(
        `it holds ${describeAddress(lost)}, to which no other route of this host leads`,
      );
    }
    const more = kept.length > 1 ? ` and ${kept.length - 1} more` : "";
    const reason = `is routed but for ${describeAddress(first)}${more}`;
    return { isRouted: true, around: kept.map(({ ip }) => ip), reason };
  }

  /** Does the host reach the address by a smaller network, whatever we route to this one? */
  #isApart(ip: IP, { bits }: Prefix): boolean {
    const host = hostPrefix(ip);
    const network = this.#networks.covering(host);
    return Math.max(this.way(ip)?.dst.bits ?? 0, network?.prefix.bits ?? 0) > bits;
  }
}

function leftOut(why: string): Verdict {
  return { isRouted: false, around: [], reason: `is not routed: ${why}` };
}
