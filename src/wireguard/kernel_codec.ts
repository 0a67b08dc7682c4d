/** Messages of the generic netlink family `wireguard`: include/uapi/linux/wireguard.h. */

import type { DeviceState, PeerState } from "../net/device.ts";
import { width } from "../net/ip.ts";
import { type Key, keyFromBytes, keyToBytes, ZERO_KEY } from "../net/key.ts";
import { type Prefix, prefixOfIPv6 } from "../net/prefix.ts";
import { type Attributes, list, nested, table } from "../netlink/attribute.ts";
import {
  be16,
  bytes,
  type Codec,
  ip,
  s64,
  string,
  struct,
  u16,
  u32,
  u64,
  u8,
} from "../netlink/codec.ts";
import { MalformedError } from "../netlink/error.ts";
import { AF_INET, AF_INET6, fromFamily } from "../netlink/rtnetlink.ts";
import type { DeviceChange, PeerAddress, PeerChange, PeerSetting } from "./change.ts";

export const WG_GENL_NAME = "wireguard";
export const WG_GENL_VERSION = 1;
export const WG_CMD_GET_DEVICE = 0;
export const WG_CMD_SET_DEVICE = 1;

const WGPEER_F_REMOVE_ME = 1;
const WGPEER_F_UPDATE_ONLY = 4;
/** Since Linux 6.16; before that its attribute makes a request invalid. */
const WGALLOWEDIP_F_REMOVE_ME = 1;

/** 32 bytes. */
const key: Codec<Key> = {
  read(view, start, end) {
    if (end - start !== 32) throw new MalformedError(`${end - start} bytes cannot be a key`);
    return keyFromBytes(bytes.read(view, start, end));
  },
  write: (out, value) => out.append(keyToBytes(value)),
};

/** struct sockaddr_in or sockaddr_in6; undefined where no peer can be reached. */
const sockaddr: Codec<PeerAddress | undefined> = {
  read(view, start, end) {
    const family = end - start < 16 ? undefined : u16.read(view, start, start + 2);
    const at = family === AF_INET ? start + 4 : family === AF_INET6 ? start + 8 : undefined;
    const size = family === AF_INET ? 4 : 16;
    if (at === undefined || at + size > end) throw new MalformedError("no socket address");
    const port = be16.read(view, start + 2, start + 4);
    return port === 0 ? undefined : { ip: ip.read(view, at, at + size), port };
  },
  write(out, address) {
    if (!address) return;
    u16.write(out, fromFamily(address.ip.family));
    be16.write(out, address.port);
    if (address.ip.family === 6) out.reserve(4); // sin6_flowinfo
    ip.write(out, address.ip);
    out.reserve(address.ip.family === 6 ? 4 : 8); // sin6_scope_id, sin_zero
  },
};

const WGALLOWEDIP = table({
  WGALLOWEDIP_A_FAMILY: [1, u16],
  WGALLOWEDIP_A_IPADDR: [2, ip],
  WGALLOWEDIP_A_CIDR_MASK: [3, u8],
  WGALLOWEDIP_A_FLAGS: [4, u32],
});

const WGPEER = table({
  WGPEER_A_PUBLIC_KEY: [1, key],
  WGPEER_A_PRESHARED_KEY: [2, key],
  WGPEER_A_FLAGS: [3, u32],
  WGPEER_A_ENDPOINT: [4, sockaddr],
  WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL: [5, u16],
  WGPEER_A_LAST_HANDSHAKE_TIME: [6, struct({ tv_sec: s64, tv_nsec: s64 })],
  WGPEER_A_RX_BYTES: [7, u64],
  WGPEER_A_TX_BYTES: [8, u64],
  WGPEER_A_ALLOWEDIPS: [9, list(nested(WGALLOWEDIP))],
});

/** What a message holds after its `struct genlmsghdr`. */
export const WGDEVICE = table({
  WGDEVICE_A_IFINDEX: [1, u32],
  WGDEVICE_A_IFNAME: [2, string],
  WGDEVICE_A_PRIVATE_KEY: [3, key],
  WGDEVICE_A_PUBLIC_KEY: [4, key],
  WGDEVICE_A_LISTEN_PORT: [6, u16],
  WGDEVICE_A_FWMARK: [7, u32],
  WGDEVICE_A_PEERS: [8, list(nested(WGPEER))],
});

/** The attributes of one message. */
export type DeviceMessage = Attributes<typeof WGDEVICE>;
type PeerMessage = Attributes<typeof WGPEER>;
type AllowedIPMessage = Attributes<typeof WGALLOWEDIP>;

/** Allowed IPs in one piece of a peer: some 14 KB. */
const ALLOWED_IPS_A_PIECE = 256;
/** Bytes of peers in one message; a peer's last piece may go beyond. An attribute has 64 KiB. */
const PEERS_A_MESSAGE = 32 * 1024;

/** The `WG_CMD_SET_DEVICE` messages that carry out a change, in order. */
export function encodeChange(name: string, change: DeviceChange): DeviceMessage[] {
  const device: DeviceMessage = {
    WGDEVICE_A_IFNAME: name,
    WGDEVICE_A_PRIVATE_KEY: change.privateKey,
    WGDEVICE_A_LISTEN_PORT: change.listenPort,
  };
  const batches: PeerMessage[][] = [];
  let room = 0;
  for (const piece of change.peers.flatMap(encodePeer)) {
    if (room <= 0) {
      batches.push([]);
      room = PEERS_A_MESSAGE;
    }
    batches.at(-1)!.push(piece);
    room -= sizeOf(piece);
  }
  const [first = [], ...rest] = batches;
  return [
    first.length > 0 ? { ...device, WGDEVICE_A_PEERS: first } : device,
    ...rest.map((peers) => ({ WGDEVICE_A_IFNAME: name, WGDEVICE_A_PEERS: peers })),
  ];
}

/** At most. */
function sizeOf({ WGPEER_A_ALLOWEDIPS: allowedIPs = [] }: PeerMessage): number {
  return 128 + 48 * allowedIPs.length;
}

/** A peer, in pieces if it has many allowed IPs; only the first may make it. */
function encodePeer(peer: PeerChange): PeerMessage[] {
  const named = { WGPEER_A_PUBLIC_KEY: peer.publicKey };
  if (peer.kind === "remove") return [{ ...named, WGPEER_A_FLAGS: WGPEER_F_REMOVE_ME }];
  const [first = [], ...rest] = chunks(encodeAllowedIPs(peer), ALLOWED_IPS_A_PIECE);
  const update = { ...named, WGPEER_A_FLAGS: WGPEER_F_UPDATE_ONLY };
  return [
    {
      ...peer.kind === "update" ? update : named,
      WGPEER_A_PRESHARED_KEY: peer.presharedKey,
      WGPEER_A_ENDPOINT: peer.endpoint,
      WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL: peer.persistentKeepalive,
      WGPEER_A_ALLOWEDIPS: first.length > 0 ? first : undefined,
    },
    ...rest.map((allowedIPs) => ({ ...update, WGPEER_A_ALLOWEDIPS: allowedIPs })),
  ];
}

function encodeAllowedIPs({ addAllowedIPs, removeAllowedIPs }: PeerSetting): AllowedIPMessage[] {
  return [
    ...addAllowedIPs.map(encodeAllowedIP),
    ...removeAllowedIPs.map((prefix) => ({
      ...encodeAllowedIP(prefix),
      WGALLOWEDIP_A_FLAGS: WGALLOWEDIP_F_REMOVE_ME,
    })),
  ];
}

function encodeAllowedIP({ ip, bits }: Prefix): AllowedIPMessage {
  return {
    WGALLOWEDIP_A_FAMILY: fromFamily(ip.family),
    WGALLOWEDIP_A_IPADDR: ip,
    WGALLOWEDIP_A_CIDR_MASK: bits,
  };
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  const result: T[][] = [];
  for (let at = 0; at < items.length; at += size) result.push(items.slice(at, at + size));
  return result;
}

/** The device of all messages of a `WG_CMD_GET_DEVICE` dump; a MalformedError if it cannot be. */
export function decodeDevice(messages: readonly DeviceMessage[]): DeviceState {
  const peers: (PeerState & { allowedIPs: Prefix[] })[] = [];
  for (const { WGDEVICE_A_PEERS: pieces = [] } of messages) {
    for (const piece of pieces) {
      const last = peers.at(-1);
      // A peer that does not fit goes on in the next message, with its key and its allowed IPs only.
      if (last && last.publicKey === piece.WGPEER_A_PUBLIC_KEY) {
        last.allowedIPs.push(...decodeAllowedIPs(piece));
      } else peers.push(decodePeer(piece));
    }
  }
  const device = messages[0] ?? {};
  const privateKey = device.WGDEVICE_A_PRIVATE_KEY;
  return {
    ...privateKey && privateKey !== ZERO_KEY && { privateKey },
    listenPort: device.WGDEVICE_A_LISTEN_PORT ?? 0,
    firewallMark: device.WGDEVICE_A_FWMARK ?? 0,
    peers,
  };
}

function decodePeer(peer: PeerMessage): PeerState & { allowedIPs: Prefix[] } {
  const {
    WGPEER_A_PUBLIC_KEY: publicKey,
    WGPEER_A_PRESHARED_KEY: presharedKey,
    WGPEER_A_ENDPOINT: endpoint,
    WGPEER_A_LAST_HANDSHAKE_TIME: handshake,
  } = peer;
  if (publicKey === undefined) throw new MalformedError("WGPEER_A_PUBLIC_KEY is missing");
  return {
    publicKey,
    ...presharedKey && presharedKey !== ZERO_KEY && { presharedKey },
    ...endpoint && { endpoint },
    persistentKeepalive: peer.WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL ?? 0,
    allowedIPs: decodeAllowedIPs(peer),
    lastHandshake: handshake
      ? Number(handshake.tv_sec) * 1000 + Math.floor(Number(handshake.tv_nsec) / 1e6)
      : 0,
    receivedBytes: Number(peer.WGPEER_A_RX_BYTES ?? 0n),
    sentBytes: Number(peer.WGPEER_A_TX_BYTES ?? 0n),
  };
}

function decodeAllowedIPs({ WGPEER_A_ALLOWEDIPS: allowedIPs = [] }: PeerMessage): Prefix[] {
  return allowedIPs.map((allowed) => {
    const { WGALLOWEDIP_A_IPADDR: ip, WGALLOWEDIP_A_CIDR_MASK: mask } = allowed;
    if (ip === undefined || mask === undefined) {
      throw new MalformedError("an incomplete allowed IP");
    }
    const prefix = allowed.WGALLOWEDIP_A_FAMILY === AF_INET6
      ? prefixOfIPv6(ip, mask)
      : { ip, bits: mask };
    if (prefix.bits > width(prefix.ip.family)) throw new MalformedError(`a prefix of ${mask} bits`);
    return prefix;
  });
}
