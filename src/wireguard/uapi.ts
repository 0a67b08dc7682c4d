/**
 * The text that userspace WireGuard speaks on its socket: lines of `name=value`, keys in hex, an
 * empty line at the end (https://www.wireguard.com/xplatform/#configuration-protocol).
 */

import type { DeviceState, PeerState } from "../net/device.ts";
import { formatAddressPort, parseEndpoint } from "../net/endpoint.ts";
import { type Key, keyFromBytes, keyToBytes, ZERO_KEY } from "../net/key.ts";
import { formatPrefix, parsePrefix, type Prefix } from "../net/prefix.ts";
import type { DeviceChange, PeerAddress, PeerChange } from "./change.ts";

/** The request for the whole device. */
export const GET_REQUEST = "get=1\n\n";

/** An answer that cannot be understood: line and name, never the value. */
export class UapiSyntaxError extends Error {
  override readonly name = "UapiSyntaxError";
}

/**
 * The `set` requests of a change, in order. Each ends between two peers, once it is longer than
 * `limit` characters, so that a device at work can be told from one that hangs.
 */
export function encodeSetRequests(change: DeviceChange, limit = 128 * 1024): string[] {
  const requests: string[] = [];
  let text = "set=1\n";
  if (change.privateKey !== undefined) text += `private_key=${hex(change.privateKey)}\n`;
  if (change.listenPort !== undefined) text += `listen_port=${change.listenPort}\n`;
  for (const peer of change.peers) {
    if (text.length > limit) {
      requests.push(`${text}\n`);
      text = "set=1\n";
    }
    text += encodePeer(peer);
  }
  requests.push(`${text}\n`);
  return requests;
}

/** Removed allowed IPs are not for this protocol: see `withScratchPeer`. */
function encodePeer(peer: PeerChange): string {
  let text = `public_key=${hex(peer.publicKey)}\n`;
  if (peer.kind === "remove") return `${text}remove=true\n`;
  if (peer.kind === "update") text += "update_only=true\n";
  if (peer.presharedKey !== undefined) text += `preshared_key=${hex(peer.presharedKey)}\n`;
  if (peer.endpoint) {
    text += `endpoint=${formatAddressPort(peer.endpoint.ip, peer.endpoint.port)}\n`;
  }
  if (peer.persistentKeepalive !== undefined) {
    text += `persistent_keepalive_interval=${peer.persistentKeepalive}\n`;
  }
  for (const prefix of peer.addAllowedIPs) text += `allowed_ip=${formatPrefix(prefix)}\n`;
  return text;
}

function hex(key: Key): string {
  return keyToBytes(key).toHex();
}

/** A whole answer has arrived once it ends with an empty line. */
export function isWholeAnswer(end: Uint8Array): boolean {
  return end.length >= 2 && end[end.length - 1] === 10 && end[end.length - 2] === 10;
}

/** The `errno=` an answer ends with, as a positive number; 0: success. */
export function decodeErrno(answer: string): number {
  const match = /(?:^|\n)errno=(-?\d{1,9})\n\n$/.exec(answer.slice(-40));
  if (!match) throw new UapiSyntaxError("the answer ends without errno");
  return Math.abs(Number(match[1]));
}

type Draft<T> = { -readonly [K in keyof T]: T[K] };
type PeerDraft = Draft<Omit<PeerState, "allowedIPs">> & { allowedIPs: Prefix[] };

/** The device of a successful answer to {@link GET_REQUEST}. Unknown names are skipped. */
export function decodeDevice(answer: string): DeviceState {
  const device: Draft<Omit<DeviceState, "peers">> = { listenPort: 0, firewallMark: 0 };
  const peers: PeerDraft[] = [];
  let peer: PeerDraft | undefined;
  for (let at = 0, number = 1; at < answer.length; number++) {
    const end = answer.indexOf("\n", at);
    const line = answer.slice(at, end < 0 ? answer.length : end);
    at = end < 0 ? answer.length : end + 1;
    if (line === "") continue;
    const equals = line.indexOf("=");
    const name = line.slice(0, Math.max(equals, 0));
    const value = new Value(line.slice(equals + 1), name, number);
    if (name === "public_key") {
      peer = newPeer(value.key());
      peers.push(peer);
    } else if (peer) readPeerValue(peer, value);
    else readDeviceValue(device, value);
  }
  return { ...device, peers };
}

function newPeer(publicKey: Key): PeerDraft {
  const counters = { lastHandshake: 0, receivedBytes: 0, sentBytes: 0 };
  return { publicKey, persistentKeepalive: 0, allowedIPs: [], ...counters };
}

function readDeviceValue(device: Draft<Omit<DeviceState, "peers">>, value: Value): void {
  switch (value.name) {
    case "private_key": {
      const key = value.key();
      if (key !== ZERO_KEY) device.privateKey = key;
      return;
    }
    case "listen_port":
      device.listenPort = value.number(0xffff);
      return;
    case "fwmark":
      device.firewallMark = value.number(0xffffffff);
  }
}

function readPeerValue(peer: PeerDraft, value: Value): void {
  switch (value.name) {
    case "allowed_ip":
      peer.allowedIPs.push(value.prefix());
      return;
    case "preshared_key": {
      const key = value.key();
      if (key !== ZERO_KEY) peer.presharedKey = key;
      return;
    }
    case "endpoint": {
      const address = value.address();
      if (address) peer.endpoint = address;
      return;
    }
    case "persistent_keepalive_interval":
      peer.persistentKeepalive = value.number(0xffff);
      return;
    case "last_handshake_time_sec":
      peer.lastHandshake += value.number() * 1000;
      return;
    case "last_handshake_time_nsec":
      peer.lastHandshake += Math.floor(value.number() / 1e6);
      return;
    case "rx_bytes":
      peer.receivedBytes = value.number();
      return;
    case "tx_bytes":
      peer.sentBytes = value.number();
  }
}

/** The right side of a line that is about to be understood. */
class Value {
  constructor(readonly text: string, readonly name: string, readonly line: number) {}

  number(max = Number.MAX_SAFE_INTEGER): number {
    const number = /^\d{1,20}$/.test(this.text) ? Number(this.text) : NaN;
    return number <= max ? number : this.fail();
  }

  key(): Key {
    if (!/^[0-9a-fA-F]{64}$/.test(this.text)) this.fail();
    return keyFromBytes(Uint8Array.fromHex(this.text));
  }

  prefix(): Prefix {
    return parsePrefix(this.text) ?? this.fail();
  }

  /** Zones are cut off. Port 0, which a device accepts but nobody can send to, is no address. */
  address(): PeerAddress | undefined {
    const text = this.text.replace(/%[^\]]*\]/, "]");
    if (/:0+$/.test(text)) return undefined;
    const endpoint = parseEndpoint(text);
    return endpoint?.ip ? { ip: endpoint.ip, port: endpoint.port } : this.fail();
  }

  private fail(): never {
    throw new UapiSyntaxError(`line ${this.line} of the answer: ${this.name} has no valid value`);
  }
}
