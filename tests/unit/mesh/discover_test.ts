import assert from "node:assert/strict";
import type { PeerState } from "../../../src/net/device.ts";
import { discoverEndpoints, MOST_BYTES, mostUseful } from "../../../src/mesh/discover.ts";
import { formatDiscoveredEndpoints } from "../../../src/mesh/discovered_endpoints.ts";
import { keyFromBytes } from "../../../src/net/key.ts";
import { endpoint, ip, key, node, peer } from "./cluster.ts";

const SEEN = { ip: ip("192.0.2.9"), port: 9 };

function state(number: number, fields: Partial<PeerState> = {}): PeerState {
  return {
    publicKey: key(number),
    endpoint: SEEN,
    persistentKeepalive: 0,
    allowedIPs: [],
    lastHandshake: 1,
    receivedBytes: 0,
    sentBytes: 0,
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

Deno.test("mostUseful() takes nodes, then those who are elsewhere, then the newest handshakes", () => {
  const members = {
    nodes: [node(1, { persistentKeepalive: 25, endpoint: endpoint("192.0.2.9:9") })],
    peers: [
      peer(2, { endpoint: endpoint("192.0.2.9:9") }),
      peer(3, { endpoint: endpoint("192.0.2.9:8") }),
      peer(4),
      peer(5, { endpoint: endpoint("192.0.2.9:9") }),
    ],
  };
  const peers = [
    state(1, { lastHandshake: 1 }),
    state(202, { lastHandshake: 50 }),
    state(203, { lastHandshake: 2 }),
    state(204, { lastHandshake: 3 }),
    state(205, { lastHandshake: 60 }),
  ];
  const device = { listenPort: 1, firewallMark: 0, peers };
  const endpoints = discoverEndpoints(members, device);
  const entry = formatDiscoveredEndpoints(new Map([[key(1), SEEN]])).length - 1;
  const chosen = (
    count: number,
  ) => [...mostUseful(endpoints, { mesh: members, device, bytes: 1 + count * entry })];
  const order = [key(1), key(204), key(203), key(205), key(202)];
  for (let count = 0; count <= order.length; count++) {
    assert.deepEqual(chosen(count), order.slice(0, count));
  }
  assert.deepEqual(chosen(-1), []);
});

Deno.test("mostUseful() keeps the text within its bytes, to the last one", () => {
  const many = Array.from({ length: 3000 }, (_, n) => {
    const bytes = new Uint8Array(32);
    bytes.set([1, n >> 8, n & 255]);
    return keyFromBytes(bytes);
  });
  const peers = many.map((publicKey, n) => peer(1, { name: `p${n}`, publicKey }));
  const device = {
    listenPort: 1,
    firewallMark: 0,
    peers: many.map((publicKey, n) => state(1, { publicKey, lastHandshake: n + 1 })),
  };
  const members = { nodes: [], peers };
  const endpoints = discoverEndpoints(members, device);
  assert.ok(formatDiscoveredEndpoints(endpoints).length > MOST_BYTES);
  for (const bytes of [MOST_BYTES, MOST_BYTES + 1, 1000]) {
    const keys = mostUseful(endpoints, { mesh: members, device, bytes });
    const text = formatDiscoveredEndpoints(
      new Map([...endpoints].filter(([key]) => keys.has(key))),
    );
    assert.ok(text.length <= bytes && text.length > bytes - 90, `${text.length} of ${bytes}`);
  }
});
