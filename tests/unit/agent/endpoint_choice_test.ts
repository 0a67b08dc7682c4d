import assert from "node:assert/strict";
import { EndpointChoice } from "../../../src/agent/endpoint_choice.ts";
import { discoverEndpoints } from "../../../src/mesh/discover.ts";
import { formatDiscoveredEndpoints } from "../../../src/mesh/discovered_endpoints.ts";
import { parseIP } from "../../../src/net/ip.ts";
import { keyFromBytes } from "../../../src/net/key.ts";
import { peer } from "../mesh/cluster.ts";

/** So many Peers, all of which have shaken hands; those of `latest` last. */
function meshOf(count: number, latest = 0) {
  const keys = Array.from({ length: count }, (_, n) => {
    const bytes = new Uint8Array(32).fill(1);
    bytes.set([n >> 8, n & 255]);
    return keyFromBytes(bytes);
  });
  const members = { nodes: [], peers: keys.map((publicKey) => peer(1, { publicKey })) };
  const peers = keys.map((publicKey, n) => ({
    ...{ publicKey, persistentKeepalive: 0, allowedIPs: [], receivedBytes: 0, sentBytes: 0 },
    endpoint: { ip: parseIP("203.0.113.9")!, port: 1024 + n },
    lastHandshake: 1 + (n + latest) % count,
  }));
  const device = { listenPort: 1, firewallMark: 0, peers };
  return { endpoints: discoverEndpoints(members, device), mesh: () => members, device };
}

const ROOM = { own: {}, room: 256 * 1024 };

Deno.test("EndpointChoice publishes all where they fit", () => {
  const { endpoints, ...rest } = meshOf(500);
  const choice = new EndpointChoice();
  assert.equal(choice.choose(endpoints, { ...rest, ...ROOM, now: 0 }), endpoints);
  assert.deepEqual(choice.warnings, []);
});

Deno.test("EndpointChoice keeps to 128 KiB, or to what others leave, with one warning that stands", () => {
  const { endpoints, ...rest } = meshOf(3000);
  for (const [room, most] of [[256 * 1024, 128 * 1024], [50_000, 50_000], [0, 2]] as const) {
    const choice = new EndpointChoice();
    const chosen = choice.choose(endpoints, { ...rest, own: {}, room, now: 0 });
    assert.ok(formatDiscoveredEndpoints(chosen).length <= most);
    assert.match(choice.warnings[0]!.text, new RegExp(`^${3000 - chosen.size} discovered`));
    const more = meshOf(3010);
    choice.choose(more.endpoints, { ...more, own: {}, room, now: 40_000 });
    assert.match(choice.warnings[0]!.text, new RegExp(`^${3000 - chosen.size} discovered`));
  }
});

Deno.test("EndpointChoice does not follow every handshake: a choice stands for 30 s", () => {
  const choice = new EndpointChoice();
  const keysAt = (now: number, latest: number) => {
    const { endpoints, ...rest } = meshOf(3000, latest);
    return [...choice.choose(endpoints, { ...rest, ...ROOM, now }).keys()].sort().join();
  };
  const first = keysAt(0, 0);
  assert.equal(keysAt(29_000, 500), first);
  assert.notEqual(keysAt(30_000, 500), first);
});
