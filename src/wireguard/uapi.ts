/**
 * The text that userspace WireGuard speaks on its socket: lines of `name=value`, keys in hex, an
 * empty line at the end (https://www.wireguard.com/xplatform/#configuration-protocol).
 */

import type { DeviceState, PeerState } from "../net/device.ts";
import { formatAddressPort, parseEndpoint } from "../net/endpoint.ts";
import { type Key, keyFromBytes, keyToBytes, ZERO_KEY } from "../net/key.ts";
import { parseIP } from "../net/ip.ts";
import { formatPrefix, parsePrefix, type Prefix, prefixOfIPv6 } from "../net/prefix.ts";
import type { DeviceChange, PeerAddress, PeerChange } from "./change.ts";

/** The request for the whole device. */
export const GET_REQUEST = "get=1\n\n";

/** An answer that cannot be understood: whose value of which name, never the value. */
export class UapiSyntaxError extends Error {
  override readonly name = "UapiSyntaxError";
}

/**
 * The `set` requests of a change, in order. Each ends between two peers, once it is longer than
 * `limit` characters, so that a device at work can be told from one that hangs.
 */
export function encodeSetRequests(change: DeviceChange, limit = 64 * 1024): string[] {
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
type DeviceDraft = Draft<Omit<DeviceState, "peers">>;
type PeerDraft = Draft<Omit<PeerState, "allowedIPs">> & { allowedIPs: Prefix[] };
type Readers<T> = ReadonlyMap<string, (draft: T, value: string) => void>;

/**
 * The device of a successful answer to {@link GET_REQUEST}. Unknown names are skipped. `now`:
 * milliseconds since the Unix epoch, for devices that tell how long ago a handshake was.
 */
export function decodeDevice(answer: string, now = Date.now()): DeviceState {
  return new DeviceDecoder().decode(answer, now);
}

/**
 * Reads one device again and again, and decodes only what changed: a peer that is as in the last
 * answer is the same value, and so is a device with just the same peers, in whatever order.
 */
export class DeviceDecoder {
  #head = "";
  /** By their texts, without the bytes sent: only these change while a peer is silent. */
  #peers: ReadonlyMap<string, PeerState> = new Map();
  #device: DeviceState | undefined;

  /** As {@link decodeDevice}. */
  decode(answer: string, now = Date.now()): DeviceState {
    const texts = linesOf(answer).split("\npublic_key=");
    const head = texts.shift() ?? "";
    const device = head === this.#head && this.#device ? this.#device : decodeHead(head);
    const clock = device.publicKey === undefined ? undefined : now;
    const peers = new Map<string, PeerState>();
    let isSame = head === this.#head && texts.length === this.#peers.size;
    for (const [at, text] of texts.entries()) {
      const { rest, sent } = splitSent(text);
      const known = this.#peers.get(rest);
      const peer = withSent(known ?? decodePeer(rest, at + 1, clock), sent, at + 1);
      isSame &&= peer === known;
      peers.set(rest, peer);
    }
    if (isSame && this.#device) return this.#device;
    this.#head = head;
    this.#peers = peers;
    return this.#device = { ...device, peers: [...peers.values()] };
  }
}

/** The lines of an answer; a newline before the first peer's, also if the device has none. */
function linesOf(answer: string): string {
  const end = answer.lastIndexOf("errno=");
  const lines = end < 0 ? answer : answer.slice(0, end).trimEnd();
  return lines.startsWith("public_key=") ? `\n${lines}` : lines;
}

const SENT = "\ntx_bytes=";

/** Takes the first line of the bytes sent out of a peer's lines; zero if there is none. */
function splitSent(text: string): { readonly rest: string; readonly sent: string } {
  const start = text.indexOf(SENT);
  if (start < 0) return { rest: text, sent: "0" };
  const end = text.indexOf("\n", start + 1);
  const line = text.slice(start + SENT.length, end < 0 ? undefined : end);
  return { rest: text.slice(0, start) + (end < 0 ? "" : text.slice(end)), sent: line };
}

/** The same value if the count is the same. */
function withSent(peer: PeerState, sent: string, number: number): PeerState {
  if (String(peer.sentBytes) === sent) return peer;
  const draft = { ...peer, allowedIPs: [] };
  readLines(`tx_bytes=${sent}`, PEER_READERS, { draft, what: `peer ${number}` });
  return { ...peer, sentBytes: draft.sentBytes };
}

function decodeHead(text: string): DeviceDraft {
  const device: DeviceDraft = { listenPort: 0, firewallMark: 0 };
  readLines(text, DEVICE_READERS, { draft: device, what: "the device" });
  return device;
}

/**
 * Begins with the key. `clock`: milliseconds since the Unix epoch, if the device may tell the time since
 * a handshake instead of its date.
 */
function decodePeer(text: string, number: number, clock: number | undefined): PeerState {
  const peer: PeerDraft = {
    publicKey: ZERO_KEY,
    persistentKeepalive: 0,
    allowedIPs: [],
    lastHandshake: 0,
    receivedBytes: 0,
    sentBytes: 0,
  };
  readLines(`public_key=${text}`, PEER_READERS, { draft: peer, what: `peer ${number}` });
  if (clock === undefined || peer.lastHandshake >= EARLIEST_DATE) return peer;
  const isNever = !text.includes("\nlast_handshake_time_");
  return { ...peer, lastHandshake: isNever ? 0 : clock - peer.lastHandshake };
}

function readLines<T>(text: string, readers: Readers<T>, to: { draft: T; what: string }): void {
  for (const line of text.split("\n")) {
    const equals = Math.max(line.indexOf("="), 0);
    const name = line.slice(0, equals);
    try {
      readers.get(name)?.(to.draft, line.slice(equals + 1));
    } catch (error) {
      if (!(error instanceof UapiSyntaxError)) throw error;
      throw new UapiSyntaxError(`${name} of ${to.what} in the answer: ${error.message}`);
    }
  }
}

const DEVICE_READERS: Readers<DeviceDraft> = new Map([
  ["private_key", (device, value) => {
    if (value !== NO_KEY) device.privateKey = parseHex(value);
  }],
  ["own_public_key", (device, value) => device.publicKey = parseHex(value)], // BoringTun
  ["listen_port", (device, value) => device.listenPort = parseNumber(value, 0xffff)],
  ["fwmark", (device, value) => device.firewallMark = parseNumber(value, 0xffffffff)],
]);

const PEER_READERS: Readers<PeerDraft> = new Map([
  ["public_key", (peer, value) => peer.publicKey = parseHex(value)],
  ["allowed_ip", (peer, value) => peer.allowedIPs.push(parseNetwork(value))],
  ["preshared_key", (peer, value) => {
    if (value !== NO_KEY) peer.presharedKey = parseHex(value);
  }],
  ["endpoint", (peer, value) => {
    const address = parseAddress(value);
    if (address) peer.endpoint = address;
  }],
  ["persistent_keepalive_interval", (peer, value) => {
    peer.persistentKeepalive = parseNumber(value, 0xffff);
  }],
  ["last_handshake_time_sec", (peer, value) => peer.lastHandshake += parseNumber(value) * 1000],
  ["last_handshake_time_nsec", (peer, value) => {
    peer.lastHandshake += Math.floor(parseNumber(value, 999_999_999) / 1e6);
  }],
  ["rx_bytes", (peer, value) => peer.receivedBytes = parseNumber(value)],
  ["tx_bytes", (peer, value) => peer.sentBytes = parseNumber(value)],
]);

/** Milliseconds since the Unix epoch: what is less is no date but the time since one. In 2001. */
const EARLIEST_DATE = 1e12;

const NO_KEY = "0".repeat(64);

function parseNumber(text: string, max = Number.MAX_SAFE_INTEGER): number {
  const number = /^\d{1,20}$/.test(text) ? Number(text) : NaN;
  if (!(number <= max)) throw new UapiSyntaxError("not a number that can be");
  return number;
}

function parseHex(text: string): Key {
  if (!/^[0-9a-fA-F]{64}$/.test(text)) throw new UapiSyntaxError("not a key");
  return keyFromBytes(Uint8Array.fromHex(text));
}

function parseNetwork(text: string): Prefix {
  const prefix = parsePrefix(text) ?? parseMapped(text);
  if (!prefix) throw new UapiSyntaxError("not a CIDR");
  return prefix;
}

/** `::ffff:0.0.0.0/96` and shorter, which are no CIDRs for us, but may be on a device. */
function parseMapped(text: string): Prefix | undefined {
  const [, address, bits] = /^([^/]*:[^/]*)\/(\d{1,2})$/.exec(text) ?? [];
  const ip = address === undefined ? undefined : parseIP(address);
  return ip && prefixOfIPv6(ip, Number(bits));
}

/** Zones are cut off. Port 0, which a device takes but nobody can send to, is no address. */
function parseAddress(text: string): PeerAddress | undefined {
  const endpoint = parseEndpoint(text.replace(/%[^\]]*\]/, "]"));
  if (endpoint?.ip) return { ip: endpoint.ip, port: endpoint.port };
  if (/:0+$/.test(text)) return undefined;
  throw new UapiSyntaxError("not an address and port");
}
