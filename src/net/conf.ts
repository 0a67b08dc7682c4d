/** The text form of a WireGuard configuration, see wg(8), CONFIGURATION FILE FORMAT. */

import type { DeviceConfig, PeerConfig } from "./device.ts";
import { formatEndpoint } from "./endpoint.ts";
import { ZERO_KEY } from "./key.ts";
import { formatPrefix } from "./prefix.ts";

/** Blocks separated by a blank line; `[Interface]` only if something of it is set. With secrets. */
export function formatConf({ privateKey, listenPort, peers }: DeviceConfig): string {
  const device = ["[Interface]"];
  if (privateKey !== undefined && privateKey !== ZERO_KEY) {
    device.push(`PrivateKey = ${privateKey}`);
  }
  if (listenPort !== undefined) device.push(`ListenPort = ${listenPort}`);
  const blocks = peers.map(peerLines);
  if (device.length > 1) blocks.unshift(device);
  return blocks.map((lines) => lines.map((line) => `${line}\n`).join("")).join("\n");
}

function peerLines(peer: PeerConfig): string[] {
  const lines = ["[Peer]"];
  if (peer.allowedIPs.length > 0) {
    lines.push(`AllowedIPs = ${peer.allowedIPs.map(formatPrefix).join(", ")}`);
  }
  if (peer.endpoint) lines.push(`Endpoint = ${formatEndpoint(peer.endpoint)}`);
  lines.push(`PersistentKeepalive = ${peer.persistentKeepalive}`);
  if (peer.presharedKey) lines.push(`PresharedKey = ${peer.presharedKey}`);
  lines.push(`PublicKey = ${peer.publicKey}`);
  return lines;
}
