/** From a peer to the Peer object that describes it; the other way is read_peer.ts. */

import type { PeerConfig } from "../net/device.ts";
import type { Endpoint } from "../net/endpoint.ts";
import { formatIP } from "../net/ip.ts";
import { formatPrefix } from "../net/prefix.ts";
import { PEER_API_VERSION, type PeerObject } from "./object.ts";

export type TypedPeerObject = PeerObject & {
  readonly kind: "Peer";
  readonly apiVersion: typeof PEER_API_VERSION;
};

/** The object with its fields in the usual order; what is not set is left out. */
export function peerObject(
  { name, allowedIPs, endpoint, persistentKeepalive, presharedKey, publicKey }:
    & PeerConfig
    & { readonly name: string },
): TypedPeerObject {
  return {
    kind: "Peer",
    apiVersion: PEER_API_VERSION,
    metadata: { name },
    spec: {
      allowedIPs: allowedIPs.map(formatPrefix),
      ...endpoint && { endpoint: endpointFields(endpoint) },
      ...persistentKeepalive !== 0 && { persistentKeepalive },
      ...presharedKey && { presharedKey },
      publicKey,
    },
  };
}

function endpointFields({ dns, ip, port }: Endpoint) {
  return { dnsOrIP: dns === undefined ? { ip: formatIP(ip!) } : { dns }, port };
}
