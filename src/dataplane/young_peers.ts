/**
 * When a device gets a peer that has a keepalive interval, it shakes hands at once. Where both sides
 * have only just heard of each other that is mostly too early: the other does not know us yet, drops
 * the initiation, and WireGuard repeats it 5 s later (REKEY_TIMEOUT). A node behind NAT, which has
 * such intervals, cannot be helped from outside either. So a new peer gets its interval a little
 * later than everything else.
 */

import type { DeviceConfig, DeviceState } from "../net/device.ts";
import type { Key } from "../net/key.ts";

/** Milliseconds; in this time the others have seen a new node, as measured over many cold starts. */
const YOUTH = 300;

export class YoungPeers {
  /** When they were first wished, in milliseconds. */
  readonly #since = new Map<Key, number>();

  /**
   * The wish without the intervals of peers that are too young for them, and the milliseconds after
   * which to ask again, if there are such.
   */
  hush(
    wish: DeviceConfig,
    { state, now }: { readonly state: DeviceState; readonly now: number },
  ): { readonly wish: DeviceConfig; readonly again?: number } {
    for (const [key, since] of this.#since) {
      if (now < since || now >= since + YOUTH) this.#since.delete(key);
    }
    const known = new Set(state.peers.map(({ publicKey }) => publicKey));
    for (const { publicKey, persistentKeepalive } of wish.peers) {
      if (persistentKeepalive > 0 && !known.has(publicKey)) this.#since.set(publicKey, now);
    }
    if (this.#since.size === 0) return { wish };
    const peers = wish.peers.map((peer) =>
      this.#since.has(peer.publicKey) ? { ...peer, persistentKeepalive: 0 } : peer
    );
    return { wish: { ...wish, peers }, again: Math.max(...this.#since.values()) + YOUTH - now };
  }
}
