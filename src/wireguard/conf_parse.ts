/** Reads the text form of a configuration: wg(8), CONFIGURATION FILE FORMAT, and wg-quick(8)'s. */

import type { DeviceConfig, PeerConfig } from "../net/device.ts";
import { type Endpoint, parseEndpoint } from "../net/endpoint.ts";
import { parseIP } from "../net/ip.ts";
import { type Key, parseKey } from "../net/key.ts";
import { hostPrefix, parsePrefix, type Prefix } from "../net/prefix.ts";
import { quote } from "../net/text.ts";

/** Text that is no configuration: `line 7: Endpoint: "x" is not host:port`. Holds no key. */
export class ConfError extends Error {
  override readonly name = "ConfError";
  /** From 1. */
  readonly line: number;

  constructor(line: number, problem: string) {
    super(`line ${line}: ${problem}`);
    this.line = line;
  }
}

type Draft<T> = { -readonly [K in keyof T]: T[K] };
type InterfaceDraft = Draft<Omit<DeviceConfig, "peers">>;
type PeerDraft = Draft<Omit<PeerConfig, "allowedIPs" | "publicKey">> & {
  publicKey?: Key;
  allowedIPs: Prefix[];
  line: number;
};

/** Takes a value into a section; a string says what is wrong with it. */
type Setter<T> = (section: T, value: string) => string | void;

const NOT_A_KEY = "not the base64 of 32 bytes"; // never with the value

/** The firewall mark is not ours to set, and the rest is for wg-quick alone. */
const skipped: Setter<unknown> = () => {};

const INTERFACE = new Map<string, Setter<InterfaceDraft>>([
  ["privatekey", (device, value) => {
    const key = parseKey(value);
    if (!key) return NOT_A_KEY;
    device.privateKey = key;
  }],
  ["listenport", (device, value) => {
    const port = parseUint16(value);
    if (port === undefined) return `${show(value)} is not a port`;
    device.listenPort = port;
  }],
  ["fwmark", skipped],
  ...["address", "dns", "mtu", "table", "preup", "postup", "predown", "postdown", "saveconfig"]
    .map((name) => [name, skipped] as const),
]);

const PEER = new Map<string, Setter<PeerDraft>>([
  ["publickey", (peer, value) => {
    const key = parseKey(value);
    if (!key) return NOT_A_KEY;
    peer.publicKey = key;
  }],
  ["presharedkey", (peer, value) => {
    const key = parseKey(value);
    if (!key) return NOT_A_KEY;
    peer.presharedKey = key;
  }],
  ["endpoint", (peer, value) => {
    const endpoint = parseHost(value);
    if (!endpoint) return `${show(value)} is not host:port`;
    peer.endpoint = endpoint;
  }],
  ["persistentkeepalive", (peer, value) => {
    const seconds = value.toLowerCase() === "off" ? 0 : parseUint16(value);
    if (seconds === undefined) return `${show(value)} is neither off nor seconds up to 65535`;
    peer.persistentKeepalive = seconds;
  }],
  ["allowedips", (peer, value) => {
    for (const item of value === "" ? [] : value.split(",").map((item) => item.trim())) {
      const ip = parseIP(item);
      const prefix = ip ? hostPrefix(ip) : parsePrefix(item);
      if (!prefix) return `${show(item)} is not a CIDR`;
      peer.allowedIPs.push(prefix);
    }
  }],
]);

/** The device that the text describes; a {@link ConfError} at the first line that is wrong. */
export function parseConf(text: string): DeviceConfig {
  const device: InterfaceDraft = {};
  const peers: PeerDraft[] = [];
  let section: "none" | "interface" | "peer" = "none";
  text.split(/\r?\n/).forEach((raw, index) => {
    const line = index + 1;
    const content = raw.replace(/#.*/, "").trim();
    if (content === "") return;
    const header = /^\[\s*(interface|peer)\s*\]$/i.exec(content)?.[1]?.toLowerCase();
    if (header !== undefined) {
      section = header as "interface" | "peer";
      if (section === "peer") peers.push({ persistentKeepalive: 0, allowedIPs: [], line });
      return;
    }
    const [, name, value = ""] = /^([A-Za-z]+)\s*=\s*(.*)$/.exec(content) ?? [];
    if (name === undefined) throw new ConfError(line, "neither a section nor Name = value");
    const problem = section === "peer"
      ? set(PEER, peers.at(-1)!, { name, value })
      : section === "interface"
      ? set(INTERFACE, device, { name, value })
      : `${show(name)} stands outside of a section`;
    if (problem) throw new ConfError(line, problem);
  });
  return { ...device, peers: peers.map(finishPeer) };
}

function set<T>(
  setters: ReadonlyMap<string, Setter<T>>,
  section: T,
  { name, value }: { readonly name: string; readonly value: string },
): string | undefined {
  const setter = setters.get(name.toLowerCase());
  if (!setter) return `${show(name)} is not known here`;
  const problem = setter(section, value);
  return problem ? `${name}: ${problem}` : undefined;
}

function finishPeer({ line, publicKey, ...peer }: PeerDraft): PeerConfig {
  if (!publicKey) throw new ConfError(line, "this peer has no PublicKey");
  return { publicKey, ...peer };
}

/** As the other tools have it, the case of a host name does not matter. */
function parseHost(text: string): Endpoint | undefined {
  return parseEndpoint(text.toLowerCase());
}

function parseUint16(text: string): number | undefined {
  return /^\d{1,5}$/.test(text) && Number(text) <= 0xffff ? Number(text) : undefined;
}

/** A value in quotes, unless it might be a key that stands in a wrong place, or a part of one. */
function show(value: string): string {
  return /[A-Za-z0-9+/=]{20}/.test(value) ? "this value" : quote(value);
}
