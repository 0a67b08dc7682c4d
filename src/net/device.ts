/** A WireGuard device's configuration (the desired state) and state (what the kernel reports). */

import type { Endpoint } from "./endpoint.ts";
import type { IP } from "./ip.ts";
import type { Key } from "./key.ts";
import type { Prefix } from "./prefix.ts";

export interface PeerConfig {
  readonly publicKey: Key;
  readonly presharedKey?: Key;
  /** Without an address the endpoint the device has is left alone. */
  readonly endpoint?: Endpoint;
  /** The target is behind NAT: while its session lives, WireGuard knows its endpoint better than we do. */
  readonly behindNAT?: boolean;
  /** Seconds; 0: off. */
  readonly persistentKeepalive: number;
  readonly allowedIPs: readonly Prefix[];
  /** The address behind the peer that answers, if there is one: a packet to it begins a handshake. */
  readonly probe?: IP;
}

export interface DeviceConfig {
  readonly privateKey?: Key;
  readonly listenPort?: number;
  readonly peers: readonly PeerConfig[];
}

export interface PeerState {
  readonly publicKey: Key;
  readonly presharedKey?: Key;
  readonly endpoint?: { readonly ip: IP; readonly port: number };
  /** Seconds; 0: off. */
  readonly persistentKeepalive: number;
  readonly allowedIPs: readonly Prefix[];
  /** Milliseconds since the Unix epoch; 0: never. */
  readonly lastHandshake: number;
  /** Also before the first handshake, of one that it has begun. */
  readonly receivedBytes: number;
  /** Handshakes and keepalives included, as the bytes received. */
  readonly sentBytes: number;
}

export interface DeviceState {
  readonly privateKey?: Key;
  /** Of a device that shows this instead of its private key. */
  readonly publicKey?: Key;
  readonly listenPort: number;
  readonly firewallMark: number;
  readonly peers: readonly PeerState[];
}

/** How long after its handshake a session is used, in milliseconds: REJECT_AFTER_TIME (paper, §6.1). */
const SESSION_LIFETIME = 180_000;

/** Has the peer a session, in which it is heard where its endpoint is now? */
export function isLive({ lastHandshake }: Pick<PeerState, "lastHandshake">, now: number): boolean {
  return lastHandshake > 0 && now - lastHandshake < SESSION_LIFETIME;
}

/** When its session ends, if no other follows, in milliseconds since the Unix epoch. */
export function sessionEnd({ lastHandshake }: Pick<PeerState, "lastHandshake">): number {
  return lastHandshake + SESSION_LIFETIME;
}

/** The indexes made so far, by what they were made of. */
const INDEXES = new WeakMap<object, ReadonlyMap<Key, unknown>>();

/** Peers by their public keys, made once. Of a key named twice the later entry counts, in its place. */
export function peersByKey<P extends { readonly publicKey: Key }>(
  device: { readonly peers: readonly P[] },
): ReadonlyMap<Key, P> {
  let index = INDEXES.get(device) as ReadonlyMap<Key, P> | undefined;
  if (!index) {
    index = indexOf(device.peers);
    INDEXES.set(device, index);
  }
  return index;
}

function indexOf<P extends { readonly publicKey: Key }>(peers: readonly P[]): Map<Key, P> {
  const index = new Map(peers.map((peer) => [peer.publicKey, peer]));
  if (index.size === peers.length) return index;
  index.clear();
  for (const peer of peers) {
    index.delete(peer.publicKey); // its place would be the first one's
    index.set(peer.publicKey, peer);
  }
  return index;
}
