/** A WireGuard device's configuration (the wish) and state (what the kernel reports). */

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
  readonly roams?: boolean;
  /** Seconds; 0: off. */
  readonly persistentKeepalive: number;
  readonly allowedIPs: readonly Prefix[];
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
}

export interface DeviceState {
  readonly privateKey?: Key;
  readonly listenPort: number;
  readonly firewallMark: number;
  readonly peers: readonly PeerState[];
}

const INDEXES = new WeakMap<DeviceState, ReadonlyMap<Key, PeerState>>();

/** A device's peers by their public keys; made once. */
export function peersByKey(device: DeviceState): ReadonlyMap<Key, PeerState> {
  let index = INDEXES.get(device);
  if (!index) {
    index = new Map(device.peers.map((peer) => [peer.publicKey, peer]));
    INDEXES.set(device, index);
  }
  return index;
}
