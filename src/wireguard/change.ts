/** A change of a WireGuard device. Only what it names is touched. */

import type { DeviceState, PeerState } from "../net/device.ts";
import type { IP } from "../net/ip.ts";
import { type Key, ZERO_KEY } from "../net/key.ts";
import { networkKey, type Prefix } from "../net/prefix.ts";

/** Where a device sends to: a name is resolved long before. */
export interface PeerAddress {
  readonly ip: IP;
  readonly port: number;
}

/** A peer that is made, or one that is there and gets other values; what is undefined stays. */
export interface PeerSetting {
  readonly kind: "add" | "update";
  readonly publicKey: Key;
  /** {@link ZERO_KEY} removes it. */
  readonly presharedKey?: Key;
  readonly endpoint?: PeerAddress;
  /** Seconds, 0 to 65535; 0: off. */
  readonly persistentKeepalive?: number;
  /** Networks; one that another peer has moves over atomically. */
  readonly addAllowedIPs: readonly Prefix[];
  /** Networks of this peer that no peer gets. */
  readonly removeAllowedIPs: readonly Prefix[];
}

export interface PeerRemoval {
  readonly kind: "remove";
  readonly publicKey: Key;
}

export type PeerChange = PeerSetting | PeerRemoval;

/** To be carried out in order. */
export interface DeviceChange {
  readonly privateKey?: Key;
  readonly listenPort?: number;
  readonly peers: readonly PeerChange[];
}

export function isEmptyChange(change: DeviceChange): boolean {
  return change.privateKey === undefined && change.listenPort === undefined &&
    change.peers.length === 0;
}

/** The same change in two steps: all but the allowed IPs that are removed, and only those. */
export function splitRemovals(
  change: DeviceChange,
): { readonly rest: DeviceChange; readonly removals: DeviceChange } {
  const rest: PeerChange[] = [];
  const removals: PeerSetting[] = [];
  for (const peer of change.peers) {
    if (peer.kind === "remove" || peer.removeAllowedIPs.length === 0) {
      rest.push(peer);
      continue;
    }
    const { publicKey, removeAllowedIPs } = peer;
    const others: PeerSetting = { ...peer, removeAllowedIPs: [] };
    if (changesAnything(others)) rest.push(others);
    removals.push({ kind: "update", publicKey, addAllowedIPs: [], removeAllowedIPs });
  }
  return { rest: { ...change, peers: rest }, removals: { peers: removals } };
}

/**
 * The same change for a device that cannot take single allowed IPs from a peer: they move to a
 * scratch peer with a random key, which is then removed. Peers keep their other networks throughout.
 */
export function withScratchPeer(change: DeviceChange, scratch: Key): DeviceChange {
  const { rest, removals } = splitRemovals(change);
  const addAllowedIPs = removals.peers.flatMap((peer) =>
    peer.kind === "remove" ? [] : peer.removeAllowedIPs
  );
  if (addAllowedIPs.length === 0) return change;
  const peers: PeerChange[] = [
    ...rest.peers,
    { kind: "add", publicKey: scratch, addAllowedIPs, removeAllowedIPs: [] },
    { kind: "remove", publicKey: scratch },
  ];
  return { ...rest, peers };
}

/** False for an update without effect. */
export function changesAnything(peer: PeerSetting): boolean {
  return peer.kind === "add" || peer.presharedKey !== undefined || peer.endpoint !== undefined ||
    peer.persistentKeepalive !== undefined || peer.addAllowedIPs.length > 0 ||
    peer.removeAllowedIPs.length > 0;
}

/**
 * The device after a change that `diffDevice` computed, so that it need not be read again;
 * handshakes stay as they were.
 */
export function afterChange(state: DeviceState, change: DeviceChange): DeviceState {
  const settings = new Map<Key, PeerSetting>();
  const removed = new Set<Key>();
  const taken = new Set<number | bigint>();
  for (const peer of change.peers) {
    if (peer.kind === "remove") {
      removed.add(peer.publicKey);
      continue;
    }
    settings.set(peer.publicKey, peer);
    for (const prefix of peer.addAllowedIPs) taken.add(networkKey(prefix));
    for (const prefix of peer.removeAllowedIPs) taken.add(networkKey(prefix));
  }
  const kept = state.peers.map((peer) =>
    afterSetting(takeFrom(peer, taken), settings.get(peer.publicKey))
  );
  const fresh = change.peers.flatMap((peer) => peer.kind === "add" ? newPeer(peer) : []);
  return {
    ...state,
    ...change.privateKey !== undefined && { privateKey: change.privateKey },
    ...change.listenPort !== undefined && { listenPort: change.listenPort },
    peers: [...kept, ...fresh].filter((peer) => !removed.has(peer.publicKey)),
  };
}

function newPeer(setting: PeerSetting): PeerState {
  const { publicKey, presharedKey, endpoint, persistentKeepalive = 0, addAllowedIPs } = setting;
  return {
    publicKey,
    ...presharedKey !== undefined && presharedKey !== ZERO_KEY && { presharedKey },
    ...endpoint && { endpoint },
    persistentKeepalive,
    allowedIPs: addAllowedIPs,
    lastHandshake: 0,
    receivedBytes: 0,
    sentBytes: 0,
  };
}

function takeFrom(peer: PeerState, taken: ReadonlySet<number | bigint>): PeerState {
  if (taken.size === 0) return peer;
  const allowedIPs = peer.allowedIPs.filter((prefix) => !taken.has(networkKey(prefix)));
  return allowedIPs.length === peer.allowedIPs.length ? peer : { ...peer, allowedIPs };
}

function afterSetting(peer: PeerState, setting: PeerSetting | undefined): PeerState {
  if (!setting) return peer;
  const { presharedKey: keptKey, ...kept } = peer;
  const presharedKey = setting.presharedKey ?? keptKey;
  return {
    ...kept,
    ...presharedKey !== undefined && presharedKey !== ZERO_KEY && { presharedKey },
    ...setting.endpoint && { endpoint: setting.endpoint },
    persistentKeepalive: setting.persistentKeepalive ?? peer.persistentKeepalive,
    allowedIPs: [...peer.allowedIPs, ...setting.addAllowedIPs],
  };
}
