/**
 * Sees to the first handshake with new peers, which WireGuard alone may need 5 s for: an initiation
 * that comes to nothing is not repeated sooner (REKEY_TIMEOUT). Mostly that is so because
 *
 * - the other side does not know us yet, and drops it. A peer with a keepalive interval shakes hands
 *   as soon as it has that; so a new one gets it a little later than all else. (A node behind NAT
 *   has intervals, and the other side cannot begin.)
 * - both sides begin at once, and each forgets its own attempt over the other's.
 *
 * As long as a new peer has never answered it is made anew a few times, by one side after the other,
 * so that it can try again at once. There is no session to be lost by that.
 */

import type { DeviceConfig, DeviceState, PeerConfig } from "../net/device.ts";
import type { Key } from "../net/key.ts";

/** Milliseconds after a peer came. */
interface Schedule {
  /** Until then it has no interval. In 300 ms the others have mostly seen a new node. */
  readonly quiet: number;
  /** When it is made anew. */
  readonly renewals: readonly number[];
}

const BEHIND_NAT: Schedule = { quiet: 300, renewals: [600, 1200, 2400] };
const BEGINNING: Schedule = { quiet: 0, renewals: [300, 1200] };
const FOLLOWING: Schedule = { quiet: 0, renewals: [700, 1900] };

/** How many peers are made anew at once: a handshake costs both sides a few milliseconds. */
const CROWD = 50;

interface Youth {
  /** When it came, or all sessions were lost, in milliseconds since the Unix epoch. */
  readonly since: number;
  readonly schedule: Schedule;
  renewed: number;
}

/** What to do about them now. */
export interface Care {
  /** The wish without the intervals of those that are too young for them. */
  readonly wish: DeviceConfig;
  /** To be removed before they are added again. */
  readonly renew: ReadonlySet<Key>;
  /** Milliseconds until somebody needs care again. */
  readonly again?: number;
}

export interface Circumstances {
  /** Must be fresh when {@link YoungPeers.isDue}. */
  readonly state: DeviceState;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
  /** The device's own. */
  readonly publicKey?: Key;
}

const NOBODY: ReadonlySet<Key> = new Set();

export class YoungPeers {
  readonly #peers = new Map<Key, Youth>();

  /** Is it time to see who has answered? */
  isDue(now: number): boolean {
    return this.#peers.values().some((youth) => now >= nextTime(youth, now));
  }

  /** The others have forgotten us, and the sessions with these lead nowhere. */
  renew(keys: Iterable<Key>, now: number): void {
    for (const key of keys) this.#peers.set(key, newYouth(BEHIND_NAT, now));
  }

  care(wish: DeviceConfig, circumstances: Circumstances): Care {
    const { now } = circumstances;
    this.#meet(wish, circumstances);
    if (this.#peers.size === 0) return { wish, renew: NOBODY };
    const renew = new Set<Key>();
    for (const [key, youth] of this.#peers) {
      const { since, schedule: { renewals } } = youth;
      if (now < since + renewals[youth.renewed]!) continue;
      if (renew.size < CROWD) renew.add(key);
      if (++youth.renewed === renewals.length) this.#peers.delete(key);
    }
    const isQuiet = (key: Key) => {
      const youth = this.#peers.get(key);
      return youth !== undefined && now < youth.since + youth.schedule.quiet;
    };
    const peers = wish.peers.map((peer) =>
      isQuiet(peer.publicKey) ? { ...peer, persistentKeepalive: 0 } : peer
    );
    const next = Math.min(...this.#peers.values().map((youth) => nextTime(youth, now)));
    return { wish: { ...wish, peers }, renew, ...Number.isFinite(next) && { again: next - now } };
  }

  /** Takes in those that are new, and lets go of those that have answered or are gone. */
  #meet(wish: DeviceConfig, { state, now, publicKey }: Circumstances): void {
    const known = new Map(state.peers.map((peer) => [peer.publicKey, peer]));
    const reachable = wish.peers.filter(({ endpoint }) => endpoint?.ip !== undefined);
    const fresh = reachable.filter((peer) => !known.has(peer.publicKey));
    for (const peer of fresh) {
      // Of a crowd WireGuard itself sees to all that can begin on both sides.
      if (peer.persistentKeepalive === 0 && fresh.length > CROWD) continue;
      this.#peers.set(peer.publicKey, newYouth(scheduleOf(peer, publicKey), now));
    }
    if (this.#peers.size === 0) return;
    const wished = new Set(reachable.map((peer) => peer.publicKey));
    for (const [key, { since }] of this.#peers) {
      const hasAnswered = (known.get(key)?.lastHandshake ?? 0) > since;
      if (hasAnswered || !wished.has(key) || now < since) this.#peers.delete(key);
    }
  }
}

function newYouth(schedule: Schedule, now: number): Youth {
  return { since: now, schedule, renewed: 0 };
}

function scheduleOf(peer: PeerConfig, publicKey: Key | undefined): Schedule {
  if (peer.persistentKeepalive > 0) return BEHIND_NAT;
  return publicKey !== undefined && publicKey < peer.publicKey ? BEGINNING : FOLLOWING;
}

/** When something is due next: the end of its quiet, or its next renewal. */
function nextTime({ since, schedule, renewed }: Youth, now: number): number {
  const { quiet, renewals } = schedule;
  return now < since + quiet ? since + quiet : since + renewals[renewed]!;
}
