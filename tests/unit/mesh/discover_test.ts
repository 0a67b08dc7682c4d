import assert from "node:assert/strict";
import type { PeerState } from "../../../src/net/device.ts";
import { discoverEndpoints } from "../../../src/mesh/discover.ts";
import { ip, key, node, peer } from "./cluster.ts";

const SEEN = { ip: ip("192.0.2.9"), port: 9 };

function state(number: number, fields: Partial<PeerState> = {}): PeerState {
  return {
    publicKey: key(number),
    endpoint: SEEN,
    persistentKeepalive: 0,
    allowedIPs: [],
    lastHandshake: 1,
    receivedBytes: 0,
    ...fields,
  };
}

Deno.test("discoverEndpoints() tells where Peers and nodes behind NAT are, after a handshake", () => {
  const cluster = {
    nodes: [node(1), node(2, { persistentKeepalive: 25 }), node(3, { persistentKeepalive: 25 })],
    peers: [peer(4), peer(5)],
  };
  const { endpoint: _, ...nowhere } = state(205);
  const peers = [state(1), state(2), state(3, { lastHandshake: 0 }), state(204), nowhere, state(9)];
  const found = discoverEndpoints(cluster, { listenPort: 1, firewallMark: 0, peers });
  assert.deepEqual([...found], [[key(2), SEEN], [key(204), SEEN]]);
});
