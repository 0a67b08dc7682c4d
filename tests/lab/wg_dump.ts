/** What `wg show NAME dump` prints of a device, from the state that our clients read. */

import type { DeviceState, PeerState } from "../../src/net/device.ts";
import { formatAddressPort } from "../../src/net/endpoint.ts";
import type { Key } from "../../src/net/key.ts";
import { formatPrefix } from "../../src/net/prefix.ts";

/** `publicKey` is the device's own, which its state does not hold. */
export function wgDump(state: DeviceState, publicKey: Key): string {
  const { privateKey, listenPort, firewallMark, peers } = state;
  const mark = firewallMark === 0 ? "off" : `0x${firewallMark.toString(16)}`;
  const device = [privateKey ?? "(none)", publicKey, listenPort, mark];
  return [device, ...peers.map(fields)].map((line) => `${line.join("\t")}\n`).join("");
}

function fields(peer: PeerState): readonly (string | number)[] {
  const { endpoint, allowedIPs } = peer;
  return [
    peer.publicKey,
    peer.presharedKey ?? "(none)",
    endpoint ? formatAddressPort(endpoint.ip, endpoint.port) : "(none)",
    allowedIPs.map(formatPrefix).join(",") || "(none)",
    Math.floor(peer.lastHandshake / 1000),
    peer.receivedBytes,
    peer.sentBytes,
    peer.persistentKeepalive || "off",
  ];
}
