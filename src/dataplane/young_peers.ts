/**
 * A device that gets a peer with a keepalive interval shakes hands at once. Where both sides have
 * only just heard of each other that is mostly too early: the other does not know us yet and drops
 * the initiation, and WireGuard repeats it no sooner than after 5 s (REKEY_TIMEOUT). A node behind
 * NAT, which has such intervals, cannot be helped from outside either. So a new peer gets its
 * interval a little later than all else, and as long as it has never answered it is made anew a few
 * times, which costs nothing (there is no session to lose) and lets WireGuard try again at once.
 */

import type { DeviceConfig, DeviceState } from "../net/device.ts";
import type { Key } from "../net/key.ts";

/**
 * Milliseconds after a peer came: first it gets its interval, then it is made anew. In 300 ms the
 * others have mostly seen a new node.
 */
const ATTEMPTS = [300, 600, 1200, 2400] as const;

/** How many peers are made anew at once: a handshake costs both sides a few milliseconds. */
const CROWD = 50;

interface Youth {
  /** When it came, or all sessions were lost, in milliseconds since the Unix epoch. */
  readonly since: number;
  /** How many of the {@link ATTEMPTS} were made. */
  attempts: number;
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

const NOBODY: ReadonlySet<Key> = new Set();

export class YoungPeers {
  readonly #peers = new Map<Key, Youth>();

  /** Is it time to see who has answered? */
  isDue(now: number): boolean {
    return this.#peers.values().some((youth) => now >= nextAttempt(youth));
  }

  /** The others have forgotten us, and the sessions with these lead nowhere. */
  renew(keys: Iterable<Key>, now: number): void {
    for (const key of keys) this.#peers.set(key, { since: now, attempts: 0 });
  }

  /** `state` must be fresh when {@link isDue}; `now` in milliseconds. */
  care(
    wish: DeviceConfig,
    { state, now }: { readonly state: DeviceState; readonly now: number },
  ): Care {
    this.#meet(wish, { state, now });
    if (this.#peers.size === 0) return { wish, renew: NOBODY };
    const renew = new Set<Key>();
    for (const [key, youth] of this.#peers) {
      if (now < nextAttempt(youth)) continue;
      if (youth.attempts++ > 0 && renew.size < CROWD) renew.add(key);
      if (youth.attempts === ATTEMPTS.length) this.#peers.delete(key);
    }
    const isQuiet = (key: Key) => this.#peers.get(key)?.attempts === 0;
    const peers = wish.peers.map((peer) =>
      isQuiet(peer.publicKey) ? { ...peer, persistentKeepalive: 0 } : peer
    );
    const next = Math.min(...this.#peers.values().map(nextAttempt));
    return { wish: { ...wish, peers }, renew, ...Number.isFinite(next) && { again: next - now } };
  }

  /** Takes in those that are new, and lets go of those that have answered or are gone. */
  #meet(wish: DeviceConfig, { state, now }: { state: DeviceState; now: number }): void {
    const known = new Map(state.peers.map((peer) => [peer.publicKey, peer]));
    const wished = new Set<Key>();
    for (const { publicKey, persistentKeepalive, endpoint } of wish.peers) {
      if (persistentKeepalive === 0 || !endpoint?.ip) continue;
      wished.add(publicKey);
      if (!known.has(publicKey)) this.#peers.set(publicKey, { since: now, attempts: 0 });
    }
    for (const [key, { since }] of this.#peers) {
      const hasAnswered = (known.get(key)?.lastHandshake ?? 0) > since;
      if (hasAnswered || !wished.has(key) || now < since) this.#peers.delete(key);
    }
  }
}

function nextAttempt({ since, attempts }: Youth): number {
  return since + ATTEMPTS[attempts]!;
}
