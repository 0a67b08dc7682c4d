/** The difference between the desired and the observed device. */

import {
  type DeviceConfig,
  type DeviceState,
  isLive,
  type PeerConfig,
  peersByKey,
  type PeerState,
  sessionEnd,
} from "../net/device.ts";
import { equalAddressPort } from "../net/endpoint.ts";
import { type Key, ZERO_KEY } from "../net/key.ts";
import { equalPrefix, network, networkKey, type Prefix } from "../net/prefix.ts";
import {
  changesAnything,
  type DeviceChange,
  type PeerAddress,
  type PeerChange,
  type PeerSetting,
} from "./change.ts";
import { type Declared, isRedeclared } from "./declared.ts";
import { clampPrivateKey } from "./key.ts";

/**
 * How long after its last handshake a session may still come back by itself, in milliseconds:
 * REJECT_AFTER_TIME and REKEY_ATTEMPT_TIME of the WireGuard paper (§6.1), 180 s and 90 s.
 */
const RECOVERY_TIME = 270_000;

export interface DiffOptions {
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
  /** The device's own public key: a device ignores a peer that has it, so it is left out here. */
  readonly publicKey?: Key;
  /** Where peers were declared to be when the device was last brought to that; nowhere if absent. */
  readonly declared?: Declared;
}

type NetworkKey = ReturnType<typeof networkKey>;
type Owners = ReadonlyMap<NetworkKey, Key>;

/**
 * What turns `observed` into `desired`: first what is added or updated, then the peers that go. A
 * peer that is as it shall be is not in it. A listen port of 0 or undefined means any.
 */
export function diffDevice(
  desired: DeviceConfig,
  observed: DeviceState,
  options: DiffOptions,
): DeviceChange {
  const desiredPeers = without(options.publicKey, peersByKey(desired));
  const there = peersByKey(observed);
  const others = [...desiredPeers.values()].filter((peer) => !isInSync(peer, there, options));
  const disputed = networksOf(others, there);
  const owners = ownersOf(desiredPeers.values(), disputed);
  const owned = ownersOf(observed.peers, disputed);
  const peers: PeerChange[] = [];
  for (const peer of others) {
    const before = there.get(peer.publicKey);
    const change: PeerSetting = {
      ...before ? changedValues(peer, before, options) : allValues(peer),
      addAllowedIPs: addedNetworks(peer, owners, owned),
      removeAllowedIPs: before?.allowedIPs.filter((ip) => !owners.has(networkKey(ip))) ?? [],
    };
    if (changesAnything(change)) peers.push(change);
  }
  for (const publicKey of there.keys()) {
    if (!desiredPeers.has(publicKey)) peers.push({ kind: "remove", publicKey });
  }
  return { ...changedDevice(desired, observed, options), peers };
}

function without(
  key: Key | undefined,
  peers: ReadonlyMap<Key, PeerConfig>,
): ReadonlyMap<Key, PeerConfig> {
  if (key === undefined || !peers.has(key)) return peers;
  return new Map([...peers].filter(([publicKey]) => publicKey !== key));
}

/**
 * Until when a device stays in sync if nothing happens to it, in milliseconds since the Unix epoch:
 * until the session ends of a peer that roamed to another endpoint.
 */
export function inSyncUntil(desired: DeviceConfig, observed: DeviceState): number {
  const there = peersByKey(observed);
  let until = Infinity;
  for (const peer of desired.peers) {
    const before = there.get(peer.publicKey);
    if (!before?.lastHandshake || equalAddressPort(before.endpoint, desiredAddress(peer))) continue;
    // Where a target behind NAT was seen last is better than nothing while it may come back.
    const end = peer.behindNAT ? before.lastHandshake + RECOVERY_TIME : sessionEnd(before);
    until = Math.min(until, end);
  }
  return until;
}

/**
 * Do two states of a device differ in nothing but when a handshake was, other than the first, and
 * how many bytes were received and sent?
 */
export function equalButTraffic(a: DeviceState, b: DeviceState): boolean {
  if (a === b) return true;
  if (
    a.privateKey !== b.privateKey || a.publicKey !== b.publicKey || a.listenPort !== b.listenPort ||
    a.firewallMark !== b.firewallMark || a.peers.length !== b.peers.length
  ) return false;
  const others = peersByKey(b);
  return a.peers.every((peer) => equalPeers(peer, others.get(peer.publicKey)));
}

function equalPeers(a: PeerState, b: PeerState | undefined): boolean {
  return a === b || b !== undefined &&
      a.presharedKey === b.presharedKey && equalAddressPort(a.endpoint, b.endpoint) &&
      a.persistentKeepalive === b.persistentKeepalive &&
      (a.receivedBytes > 0) === (b.receivedBytes > 0) &&
      (a.lastHandshake > 0) === (b.lastHandshake > 0) &&
      a.allowedIPs.length === b.allowedIPs.length &&
      a.allowedIPs.every((prefix, at) => equalPrefix(prefix, b.allowedIPs[at]));
}

function changedDevice(
  desired: DeviceConfig,
  observed: DeviceState,
  { publicKey }: DiffOptions,
): Omit<DeviceChange, "peers"> {
  // A device reports its key clamped, however it was given.
  const privateKey = desired.privateKey && clampPrivateKey(desired.privateKey);
  const hasKey = observed.publicKey !== undefined
    ? observed.publicKey === publicKey
    : privateKey === (observed.privateKey ?? ZERO_KEY);
  return {
    ...privateKey && !hasKey && { privateKey },
    ...desired.listenPort && desired.listenPort !== observed.listenPort &&
      { listenPort: desired.listenPort },
  };
}

/** Does the peer need no change of its own? Mostly none does. */
function isInSync(
  peer: PeerConfig,
  there: ReadonlyMap<Key, PeerState>,
  options: DiffOptions,
): boolean {
  const before = there.get(peer.publicKey);
  return before !== undefined &&
    desiredPresharedKey(peer) === (before.presharedKey ?? ZERO_KEY) &&
    desiredKeepalive(peer) === before.persistentKeepalive &&
    changedEndpoint(peer, before, options) === undefined &&
    equalNetworks(peer.allowedIPs, before.allowedIPs);
}

/** Lists that hold the same: most of them meet again at each change of the mesh. */
const EQUAL_LISTS = new WeakMap<readonly Prefix[], readonly Prefix[]>();

/** The same networks, in whatever order. */
function equalNetworks(a: readonly Prefix[], b: readonly Prefix[]): boolean {
  if (EQUAL_LISTS.get(a) === b) return true;
  if (a.length !== b.length) return false;
  const networks = new Set(a.map(networkKey));
  const isEqual = networks.size === b.length &&
    b.every((prefix) => networks.has(networkKey(prefix)));
  if (isEqual) EQUAL_LISTS.set(a, b);
  return isEqual;
}

/** The networks that these peers shall have or have. */
function networksOf(
  peers: readonly PeerConfig[],
  there: ReadonlyMap<Key, PeerState>,
): ReadonlySet<NetworkKey> {
  const networks = new Set<NetworkKey>();
  for (const { publicKey, allowedIPs } of peers) {
    for (const prefix of allowedIPs) networks.add(networkKey(prefix));
    for (const prefix of there.get(publicKey)?.allowedIPs ?? []) networks.add(networkKey(prefix));
  }
  return networks;
}

/** Who has each of these networks. One that two peers claim belongs to the later, as on a device. */
function ownersOf(
  peers: Iterable<PeerConfig | PeerState>,
  networks: ReadonlySet<NetworkKey>,
): Owners {
  const owners = new Map<NetworkKey, Key>();
  if (networks.size === 0) return owners;
  for (const { publicKey, allowedIPs } of peers) {
    for (const prefix of allowedIPs) {
      const key = networkKey(prefix);
      if (networks.has(key)) owners.set(key, publicKey);
    }
  }
  return owners;
}

function addedNetworks(peer: PeerConfig, owners: Owners, owned: Owners): readonly Prefix[] {
  const added = peer.allowedIPs.filter((prefix) => {
    const key = networkKey(prefix);
    return owners.get(key) === peer.publicKey && owned.get(key) !== peer.publicKey;
  });
  if (added.length === 0) return added;
  return [...new Map(added.map((prefix) => [networkKey(prefix), network(prefix)])).values()];
}

type Values = Omit<PeerSetting, "addAllowedIPs" | "removeAllowedIPs">;

function allValues(peer: PeerConfig): Values {
  const endpoint = desiredAddress(peer);
  return {
    kind: "add",
    publicKey: peer.publicKey,
    ...desiredPresharedKey(peer) !== ZERO_KEY && { presharedKey: desiredPresharedKey(peer) },
    ...endpoint && { endpoint },
    persistentKeepalive: desiredKeepalive(peer),
  };
}

function changedValues(peer: PeerConfig, before: PeerState, options: DiffOptions): Values {
  const presharedKey = desiredPresharedKey(peer);
  const endpoint = changedEndpoint(peer, before, options);
  const persistentKeepalive = desiredKeepalive(peer);
  return {
    kind: "update",
    publicKey: peer.publicKey,
    ...presharedKey !== (before.presharedKey ?? ZERO_KEY) && { presharedKey },
    ...endpoint && { endpoint },
    ...persistentKeepalive !== before.persistentKeepalive && { persistentKeepalive },
  };
}

function desiredPresharedKey(peer: PeerConfig): Key {
  return peer.presharedKey ?? ZERO_KEY;
}

/** A device keeps 16 bits of it. */
function desiredKeepalive(peer: PeerConfig): number {
  return peer.persistentKeepalive & 0xffff;
}

function desiredAddress({ endpoint }: PeerConfig): PeerAddress | undefined {
  return endpoint?.ip && { ip: endpoint.ip, port: endpoint.port };
}

/** Undefined while the peer has a session at the endpoint that it roamed to. */
function changedEndpoint(
  peer: PeerConfig,
  before: PeerState,
  { now, declared = new Map() }: DiffOptions,
): PeerAddress | undefined {
  const address = desiredAddress(peer);
  if (!address || equalAddressPort(before.endpoint, address)) return undefined;
  if (!before.endpoint) return address;
  const isKept = peer.behindNAT
    ? isHeardFrom(before, now)
    : isLive(before, now) && !isRedeclared(peer, declared);
  return isKept ? undefined : address;
}

/**
 * Does the device have the endpoint from the peer itself? Bytes received before the first handshake
 * mean that the peer began one, which may complete any moment.
 */
function isHeardFrom({ lastHandshake, receivedBytes }: PeerState, now: number): boolean {
  return lastHandshake > 0 ? now - lastHandshake < RECOVERY_TIME : receivedBytes > 0;
}
