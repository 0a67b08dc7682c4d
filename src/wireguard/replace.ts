/** A change for a device whose peers cannot be changed, only removed and added (BoringTun 0.7). */

import { type DeviceState, peersByKey, type PeerState } from "../net/device.ts";
import { equalAddressPort } from "../net/endpoint.ts";
import type { Key } from "../net/key.ts";
import { equalPrefix } from "../net/prefix.ts";
import { afterChange, type DeviceChange, type PeerSetting } from "./change.ts";

export interface Replacement {
  /** To be sent one by one: such a device carries values of one peer over to the next of a request. */
  readonly steps: readonly DeviceChange[];
  /** The peers that were there and are added again: their sessions are lost. */
  readonly reset: readonly Key[];
}

/**
 * The same change by removing and adding. `state` must be fresh: adding a peer that is there ends
 * BoringTun. A peer that loses an allowed IP to another is replaced too, since it would still show it.
 */
export function withReplacedPeers(change: DeviceChange, state: DeviceState): Replacement {
  const { peers: _, ...settings } = change;
  const before = peersByKey(state);
  const after = peersByKey(afterChange(state, change));
  const isChanged = (peer: PeerState) => {
    const desired = after.get(peer.publicKey);
    return desired === undefined || !equalSettings(peer, desired);
  };
  const gone = [...before.values()].filter(isChanged).map(({ publicKey }) => publicKey);
  const removed = new Set(gone);
  const added = [...after.values()].filter(({ publicKey }) =>
    removed.has(publicKey) || !before.has(publicKey)
  );
  const steps: DeviceChange[] = [
    ...Object.keys(settings).length > 0 ? [{ ...settings, peers: [] }] : [],
    ...gone.map((publicKey): DeviceChange => ({ peers: [{ kind: "remove", publicKey }] })),
    ...added.map((peer): DeviceChange => ({ peers: [addition(peer)] })),
  ];
  return { steps, reset: gone.filter((key) => after.has(key)) };
}

function equalSettings(a: PeerState, b: PeerState): boolean {
  return a === b || a.presharedKey === b.presharedKey && equalAddressPort(a.endpoint, b.endpoint) &&
      a.persistentKeepalive === b.persistentKeepalive &&
      a.allowedIPs.length === b.allowedIPs.length &&
      a.allowedIPs.every((prefix, at) => equalPrefix(prefix, b.allowedIPs[at]));
}

function addition(peer: PeerState): PeerSetting {
  const { publicKey, presharedKey, endpoint, persistentKeepalive, allowedIPs } = peer;
  return {
    kind: "add",
    publicKey,
    ...presharedKey !== undefined && { presharedKey },
    ...endpoint && { endpoint },
    persistentKeepalive,
    addAllowedIPs: allowedIPs,
    removeAllowedIPs: [],
  };
}
