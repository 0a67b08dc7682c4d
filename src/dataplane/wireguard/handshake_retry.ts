/**
 * Decides when a new peer is reset, so that its first handshake does not take 5 s: WireGuard does not
 * repeat a lost initiation sooner (REKEY_TIMEOUT). An initiation is lost when
 *
 * - the other side does not know us yet, and drops it;
 * - the other side's address was unknown or wrong;
 * - both sides begin at once, and each drops its own attempt for the other's. Two peers with a
 *   keepalive of 5 s do so again and again, because each attempt restarts both timers together.
 *
 * A peer that has never answered has no session to lose, so resetting it (remove, add) is safe. One
 * side does so sooner than the other:
 *
 *                added, found at another address, or resetSessions()
 *   untracked ─────────────────────────────────────────────────────────► waiting, step 0
 *       ▲                                                                      │
 *       │ answered, removed, or no address to send to                          │ schedule[step]
 *       ├──────────────────────────────────────────────────────────────────────┤ is over
 *       │                                                                      ▼
 *       │ that was the last step                       lost ──► reset, and a first packet
 *       └───────────────────────────────── step + 1 ◄──┤
 *                        (waiting again otherwise)     not lost: left alone
 *
 * Lost means: no handshake, and nothing received since the last step. After a handshake it means: the
 * initiations crossed, and the answer to the first packet is overdue. Crossing initiations can leave
 * each side with a session that the other does not have, for 15 s. A missing answer alone proves
 * nothing, because a firewall behind the peer may drop the packet. A peer without an address that
 * answers is left to WireGuard.
 */

import {
  type DeviceConfig,
  type DeviceState,
  type PeerConfig,
  peersByKey,
  type PeerState,
} from "../../net/device.ts";
import { equalAddressPort } from "../../net/endpoint.ts";
import type { Key } from "../../net/key.ts";
import {
  ANSWER_TIMEOUT,
  FIRST_SIDE,
  MAX_CONCURRENT,
  PACKET_INTERVAL,
  type RetrySchedule,
  SECOND_SIDE,
} from "./timing.ts";

/** Bytes of an initiation and of the response to it (WireGuard paper, §5.4). */
const INITIATION = 148;
const RESPONSE = 92;

/** A peer that is waited for. Times are milliseconds since the Unix epoch. */
interface Attempt {
  /** When the peer was added, or all sessions were lost. */
  readonly since: number;
  readonly schedule: RetrySchedule;
  /** How many of the schedule's times are over. */
  readonly step: number;
  /** Bytes received from the peer at the last step. */
  readonly receivedBytes: number;
  /** When the peer was last added to the device. */
  readonly addedAt: number;
  /** When its first packet has left the queue. */
  readonly sentAt: number;
}

/** What to do now. */
export interface RetryPlan {
  /** Peers to remove and add again. */
  readonly reset: ReadonlySet<Key>;
  /** Milliseconds until the next step of any peer. */
  readonly again?: number;
}

export interface RetryContext {
  /** Must be fresh when {@link HandshakeRetry.isDue}. */
  readonly state: DeviceState;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
  /** The device's own. */
  readonly publicKey?: Key;
}

export class HandshakeRetry {
  readonly #attempts = new Map<Key, Attempt>();
  /** When all packets that were ever asked for have left the queue. */
  #queueEnd = 0;
  /** When the last of them was asked for. */
  #asked = 0;

  /** Is a step over, so that the device must be read? */
  isDue(now: number): boolean {
    return this.#attempts.values().some((attempt) => now >= nextTime(attempt));
  }

  /** The others have forgotten us, so the sessions with these peers are of no use. */
  resetSessions(peers: Iterable<PeerState>, now: number): void {
    for (const { publicKey, receivedBytes } of peers) {
      const attempt = { since: now, schedule: FIRST_SIDE, step: 0, addedAt: now, sentAt: now };
      this.#attempts.set(publicKey, { ...attempt, receivedBytes });
    }
  }

  /** Must be called before each change to the device. */
  plan(desired: DeviceConfig, context: RetryContext): RetryPlan {
    const { state, now } = context;
    const [desiredPeers, known] = [peersByKey(desired), peersByKey(state)];
    this.#track(desiredPeers, known, context);
    const reset = new Set<Key>();
    for (const [key, attempt] of this.#attempts) {
      if (now < nextTime(attempt)) continue;
      const peer = known.get(key);
      const mustReset = reset.size < MAX_CONCURRENT && isLost(attempt, peer, now);
      if (mustReset) reset.add(key);
      const step = attempt.step + 1;
      // Without its dead session a peer that no packet can be sent to begins by itself.
      const isLast = step === attempt.schedule.length || !desiredPeers.get(key)?.probe;
      const sent = mustReset && { addedAt: now, sentAt: this.#enqueue(now) };
      const receivedBytes = mustReset ? 0 : peer?.receivedBytes ?? 0;
      if (isLast) this.#attempts.delete(key);
      else this.#attempts.set(key, { ...attempt, step, receivedBytes, ...sent });
    }
    const next = Math.min(...this.#attempts.values().map(nextTime));
    return { reset, ...Number.isFinite(next) && { again: next - now } };
  }

  /** When a packet asked for now has left the queue. */
  #enqueue(now: number): number {
    if (now < this.#asked) this.#queueEnd = now; // the clock was set back
    this.#asked = now;
    return this.#queueEnd = Math.max(now, this.#queueEnd) + PACKET_INTERVAL;
  }

  /** Begins with peers that are new, and ends with those that have answered or are gone. */
  #track(
    desired: ReadonlyMap<Key, PeerConfig>,
    known: ReadonlyMap<Key, PeerState>,
    { now, publicKey }: RetryContext,
  ): void {
    const fresh = [...desired.values()].filter((peer) => {
      const before = known.get(peer.publicKey);
      return before ? isFound(peer, before) : peer.endpoint?.ip !== undefined;
    });
    for (const peer of fresh) {
      if (!peer.probe) continue;
      const sentAt = known.has(peer.publicKey) ? now : this.#enqueue(now);
      // With many new peers, WireGuard itself retries those that both sides can begin with.
      if (peer.persistentKeepalive === 0 && fresh.length > MAX_CONCURRENT) continue;
      const usual = scheduleOf(peer, publicKey);
      if (!usual) continue;
      const schedule = known.has(peer.publicKey) ? [0, ...usual] : usual;
      const attempt = { since: now, step: 0, receivedBytes: 0, addedAt: now, sentAt };
      this.#attempts.set(peer.publicKey, { ...attempt, schedule });
    }
    if (this.#attempts.size === 0) return;
    for (const [key, attempt] of this.#attempts) {
      const isReachable = desired.get(key)?.endpoint?.ip !== undefined;
      if (!isReachable || now < attempt.since || hasAnswered(attempt, known.get(key))) {
        this.#attempts.delete(key);
      }
    }
  }
}

/** Is there a session, and has the peer sent more than handshakes? */
function hasAnswered({ since }: Attempt, peer: PeerState | undefined): boolean {
  return peer !== undefined && peer.lastHandshake > since && !isHandshakes(peer.receivedBytes);
}

/**
 * See the head of this file. A peer that has just sent something may be about to complete a
 * handshake, or to answer.
 */
function isLost(attempt: Attempt, peer: PeerState | undefined, now: number): boolean {
  const { lastHandshake = 0, receivedBytes = 0 } = peer ?? {};
  if (lastHandshake <= attempt.since) return receivedBytes === attempt.receivedBytes;
  const delay = Math.max(0, lastHandshake - attempt.addedAt); // the packet waited for it, too
  const deadline = attempt.sentAt + ANSWER_TIMEOUT + 2 * delay;
  return initiationsIn(receivedBytes) !== 0 && now >= deadline;
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

/** Is there a peer, never heard of in this state, that has another address now? */
export function findsPeers(desired: DeviceConfig, state: DeviceState): boolean {
  const known = peersByKey(state);
  return peersByKey(desired).values().some((peer) => {
    const before = known.get(peer.publicKey);
    return before !== undefined && isFound(peer, before);
  });
}

/** Attempts so far, if there were any, were sent elsewhere. */
function isFound({ endpoint }: PeerConfig, before: PeerState): boolean {
  if (before.lastHandshake > 0 || before.receivedBytes > 0 || !endpoint?.ip) return false;
  const { ip, alternative, port } = endpoint;
  return ![ip, alternative].some((ip) => ip && equalAddressPort({ ip, port }, before.endpoint));
}

/**
 * A side with a keepalive interval is behind NAT: the other one mostly cannot reach it before it has
 * begun. Where both sides can begin, the lower key goes first.
 */
function scheduleOf(peer: PeerConfig, publicKey: Key | undefined): RetrySchedule | undefined {
  const isOurs = peer.persistentKeepalive > 0;
  if (isOurs !== (peer.behindNAT ?? false)) return isOurs ? FIRST_SIDE : undefined;
  return publicKey !== undefined && publicKey < peer.publicKey ? FIRST_SIDE : SECOND_SIDE;
}

/** In milliseconds since the Unix epoch. */
function nextTime({ since, schedule, step }: Attempt): number {
  return since + schedule[step]!;
}
