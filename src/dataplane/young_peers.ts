/**
 * Sees to the first handshake with new peers, which WireGuard alone may need 5 s for: an initiation
 * that comes to nothing is not repeated sooner (REKEY_TIMEOUT). Mostly that is so because
 *
 * - the other side does not know us yet, and drops it;
 * - it was not known where the other side is, or it was elsewhere;
 * - both sides begin at once, and each forgets its own attempt over the other's. Two that keep
 *   alive every 5 s do so again and again: with each attempt their timers begin anew together.
 *
 * As long as a new peer has never answered it is made anew a few times, by one side sooner than by
 * the other, so that it can try again at once. There is no session to be lost by that. Now and then
 * a crossing leaves each side with a session that the other does not have, for 15 s: a peer whose
 * own initiation came, too, and that does not answer the packet which each new peer gets is made
 * anew as well. Silence alone proves nothing: a firewall behind the peer may drop that packet. A peer
 * of which no address is known that could answer is left to WireGuard.
 */

import {
  type DeviceConfig,
  type DeviceState,
  type PeerConfig,
  peersByKey,
  type PeerState,
} from "../net/device.ts";
import { equalAddressPort } from "../net/endpoint.ts";
import type { Key } from "../net/key.ts";
import { PROBE_INTERVAL } from "./probe_rate.ts";

/**
 * When a peer is made anew, in milliseconds after it came: soon, because a new node is mostly heard
 * of within 100 ms, and then ever later, because an answer from far away takes its time.
 */
type Schedule = readonly number[];

const BEGINNING: Schedule = [50, 100, 200, 450, 1000, 2200];
const FOLLOWING: Schedule = [140, 320, 700, 1500, 3000];

/** Milliseconds for the answer to a first packet, after a handshake that took no time. */
const ANSWER = 120;

/** Bytes of an initiation and of the response to it (WireGuard paper, §5.4). */
const INITIATION = 148;
const RESPONSE = 92;

/** How many peers are made anew at once: a handshake costs both sides a few milliseconds. */
const CROWD = 50;

interface Youth {
  /** When it came, or all sessions were lost, in milliseconds since the Unix epoch. */
  readonly since: number;
  readonly schedule: Schedule;
  /** How many of the schedule's times are over. */
  step: number;
  /** What had come from it at the last of them, in bytes. */
  receivedBytes: number;
  /** When it was made, the last time. */
  made: number;
  /** When its packet has left the queue. */
  sent: number;
}

/** What to do about them now. */
export interface Care {
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

export class YoungPeers {
  readonly #peers = new Map<Key, Youth>();
  /** When all packets that were ever asked for have left the queue. */
  #queueEnd = 0;
  /** When the last of them was asked for. */
  #asked = 0;

  /** Is it time to see who has answered? */
  isDue(now: number): boolean {
    return this.#peers.values().some((youth) => now >= nextTime(youth));
  }

  /** The others have forgotten us, and the sessions with these lead nowhere. */
  renew(peers: Iterable<PeerState>, now: number): void {
    for (const { publicKey, receivedBytes } of peers) {
      const youth = { since: now, schedule: BEGINNING, step: 0, made: now, sent: now };
      this.#peers.set(publicKey, { ...youth, receivedBytes });
    }
  }

  /** Call it before each change to the device. */
  care(desired: DeviceConfig, circumstances: Circumstances): Care {
    const { state, now } = circumstances;
    const [desiredPeers, known] = [peersByKey(desired), peersByKey(state)];
    this.#meet(desiredPeers, known, circumstances);
    const renew = new Set<Key>();
    for (const [key, youth] of this.#peers) {
      if (now < nextTime(youth)) continue;
      const peer = known.get(key);
      if (renew.size < CROWD && isLost(youth, peer, now)) {
        renew.add(key);
        youth.made = now;
        youth.sent = this.#enqueue(now);
      }
      youth.receivedBytes = renew.has(key) ? 0 : peer?.receivedBytes ?? 0;
      // Once without its dead session a peer that no packet can be sent to begins by itself.
      const isLast = ++youth.step === youth.schedule.length || !desiredPeers.get(key)?.probe;
      if (isLast) this.#peers.delete(key);
    }
    const next = Math.min(...this.#peers.values().map(nextTime));
    return { renew, ...Number.isFinite(next) && { again: next - now } };
  }

  /** When a packet asked for now has left the queue. */
  #enqueue(now: number): number {
    if (now < this.#asked) this.#queueEnd = now; // the clock was set back
    this.#asked = now;
    return this.#queueEnd = Math.max(now, this.#queueEnd) + PROBE_INTERVAL;
  }

  /** Takes in those that are new, and lets go of those that have answered or are gone. */
  #meet(
    desiredPeers: ReadonlyMap<Key, PeerConfig>,
    known: ReadonlyMap<Key, PeerState>,
    { now, publicKey }: Circumstances,
  ): void {
    const fresh = [...desiredPeers.values()].filter((peer) => {
      const before = known.get(peer.publicKey);
      return before ? isFound(peer, before) : peer.endpoint?.ip !== undefined;
    });
    for (const peer of fresh) {
      if (!peer.probe) continue;
      const sent = known.has(peer.publicKey) ? now : this.#enqueue(now);
      // Of a crowd WireGuard itself sees to all that can begin on both sides.
      if (peer.persistentKeepalive === 0 && fresh.length > CROWD) continue;
      const usual = scheduleOf(peer, publicKey);
      if (!usual) continue;
      const schedule = known.has(peer.publicKey) ? [0, ...usual] : usual;
      const youth = { since: now, step: 0, receivedBytes: 0, made: now, sent };
      this.#peers.set(peer.publicKey, { ...youth, schedule });
    }
    if (this.#peers.size === 0) return;
    for (const [key, youth] of this.#peers) {
      const isReachable = desiredPeers.get(key)?.endpoint?.ip !== undefined;
      if (!isReachable || now < youth.since || hasAnswered(youth, known.get(key))) {
        this.#peers.delete(key);
      }
    }
  }
}

/** Has it shaken hands, and said something? */
function hasAnswered({ since }: Youth, peer: PeerState | undefined): boolean {
  return peer !== undefined && peer.lastHandshake > since && !isHandshakes(peer.receivedBytes);
}

/**
 * Whoever has just said something may be about to complete a handshake, or to answer. With a session
 * only a crossing gives reason for doubt, which takes an initiation from the peer.
 */
function isLost(youth: Youth, peer: PeerState | undefined, now: number): boolean {
  const { lastHandshake = 0, receivedBytes = 0 } = peer ?? {};
  if (lastHandshake <= youth.since) return receivedBytes === youth.receivedBytes;
  const way = Math.max(0, lastHandshake - youth.made); // the packet waited for the handshake, too
  return initiationsIn(receivedBytes) !== 0 && now - youth.sent >= ANSWER + 2 * way;
}

/** May so many bytes be a few handshakes and nothing else? */
function isHandshakes(bytes: number): boolean {
  return initiationsIn(bytes) !== undefined;
}

/** How many initiations so many bytes hold, if they are a few handshakes and nothing else. */
function initiationsIn(bytes: number): number | undefined {
  const counts = [0, 1, 2, 3];
  return counts.find((initiations) =>
    counts.some((responses) => bytes === initiations * INITIATION + responses * RESPONSE)
  );
}

/** Is there a peer, not heard of up to this state, that has another address now? */
export function findsPeers(desired: DeviceConfig, state: DeviceState): boolean {
  const known = peersByKey(state);
  return peersByKey(desired).values().some((peer) => {
    const before = known.get(peer.publicKey);
    return before !== undefined && isFound(peer, before);
  });
}

/** Attempts so far, if there were any, went elsewhere. */
function isFound({ endpoint }: PeerConfig, before: PeerState): boolean {
  if (before.lastHandshake > 0 || before.receivedBytes > 0 || !endpoint?.ip) return false;
  const { ip, alternative, port } = endpoint;
  return ![ip, alternative].some((ip) => ip && equalAddressPort({ ip, port }, before.endpoint));
}

/** Who has an interval can mostly not be reached before it has begun; else one side goes ahead. */
function scheduleOf(peer: PeerConfig, publicKey: Key | undefined): Schedule | undefined {
  const isOurs = peer.persistentKeepalive > 0;
  if (isOurs !== (peer.behindNAT ?? false)) return isOurs ? BEGINNING : undefined;
  return publicKey !== undefined && publicKey < peer.publicKey ? BEGINNING : FOLLOWING;
}

/** In milliseconds since the Unix epoch. */
function nextTime({ since, schedule, step }: Youth): number {
  return since + schedule[step]!;
}
