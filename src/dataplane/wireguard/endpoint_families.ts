/**
 * Chooses the address of a peer that has one of each family (a DNS name with A and AAAA records): the
 * family that answered last; without a session, one after the other. A family without a route on this
 * host is left out.
 */

import {
  type DeviceConfig,
  type DeviceState,
  isLive,
  type PeerConfig,
  peersByKey,
} from "../../net/device.ts";
import type { Family, IP } from "../../net/ip.ts";
import type { Key } from "../../net/key.ts";
import { FAMILY_TIMEOUT } from "./timing.ts";

interface Attempt {
  readonly family: Family;
  /** Milliseconds since the Unix epoch. */
  readonly until: number;
}

export interface FamilyContext {
  readonly state: DeviceState;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
  readonly hasRoute: (to: IP) => boolean;
}

interface Choice {
  readonly desired: DeviceConfig;
  readonly families: string;
  readonly config: DeviceConfig;
}

export class EndpointFamilies {
  readonly #answered = new Map<Key, { readonly family: Family; readonly lastHandshake: number }>();
  readonly #attempts = new Map<Key, Attempt>();
  #desired: DeviceConfig | undefined;
  /** The peers that have an address of each family; mostly there are none. */
  #dual: readonly PeerConfig[] = [];
  #choice: Choice | undefined;

  /** The configuration with one address for each peer; the same value as before for the same choice. */
  choose(desired: DeviceConfig, context: FamilyContext): DeviceConfig {
    if (desired !== this.#desired) this.#track(desired);
    if (this.#dual.length === 0) return desired;
    const known = peersByKey(context.state);
    const chosen = new Map<Key, Family>();
    for (const peer of this.#dual) {
      chosen.set(peer.publicKey, this.#familyOf(peer, known.get(peer.publicKey), context));
    }
    const families = [...chosen.values()].join("");
    const last = this.#choice;
    if (last?.desired === desired && last.families === families) return last.config;
    const peers = desired.peers.map((peer) => atFamily(peer, chosen.get(peer.publicKey)));
    const config = { ...desired, peers };
    this.#choice = { desired, families, config };
    return config;
  }

  /** These peers did not answer: the other family is tried next. */
  giveUp(keys: Iterable<Key>): void {
    for (const key of keys) {
      const attempt = this.#attempts.get(key);
      if (attempt) this.#attempts.set(key, { ...attempt, until: 0 });
    }
  }

  /** When the next attempt begins, in milliseconds since the Unix epoch. */
  get nextAttempt(): number {
    return Math.min(...this.#attempts.values().map(({ until }) => until));
  }

  #track(desired: DeviceConfig): void {
    this.#desired = desired;
    this.#dual = desired.peers.filter(({ endpoint }) => endpoint?.ip && endpoint.alternative);
    const keys = new Set<Key>(this.#dual.map(({ publicKey }) => publicKey));
    for (const map of [this.#answered, this.#attempts]) {
      for (const key of map.keys()) if (!keys.has(key)) map.delete(key);
    }
  }

  #familyOf(
    { publicKey, endpoint }: PeerConfig,
    before: DeviceState["peers"][number] | undefined,
    { now, hasRoute }: FamilyContext,
  ): Family {
    const answered = this.#answered.get(publicKey);
    if (before?.endpoint && isLive(before, now)) {
      this.#attempts.delete(publicKey);
      const { lastHandshake, endpoint: { ip: { family } } } = before;
      if (answered && answered.lastHandshake >= lastHandshake) return answered.family;
      this.#answered.set(publicKey, { family, lastHandshake });
      return family;
    }
    const attempt = this.#attempts.get(publicKey);
    if (attempt && now < attempt.until && now + FAMILY_TIMEOUT >= attempt.until) {
      return attempt.family;
    }
    const addresses = [endpoint!.ip!, endpoint!.alternative!];
    const first = attempt ? other(attempt.family) : answered?.family ?? addresses[0]!.family;
    if (first !== addresses[0]!.family) addresses.reverse();
    const { family } = addresses.find(hasRoute) ?? addresses[0]!;
    this.#attempts.set(publicKey, { family, until: now + FAMILY_TIMEOUT });
    return family;
  }
}

function other(family: Family): Family {
  return family === 4 ? 6 : 4;
}

function atFamily(peer: PeerConfig, family: Family | undefined): PeerConfig {
  const { endpoint } = peer;
  if (!endpoint?.ip || !endpoint.alternative || family === undefined) return peer;
  if (endpoint.ip.family === family) return peer;
  return { ...peer, endpoint: { ...endpoint, ip: endpoint.alternative, alternative: endpoint.ip } };
}
