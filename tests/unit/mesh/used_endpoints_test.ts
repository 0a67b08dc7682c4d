import assert from "node:assert/strict";
import { equalUsedEndpoints, usedEndpoints } from "../../../src/mesh/used_endpoints.ts";
import type { PeerState } from "../../../src/net/device.ts";
import { endpoint, ip, key, node } from "./cluster.ts";

const NOW = 1_700_000_000_000;
const ROAMED = { ip: ip("198.51.100.7"), port: 40_000 };

/** Where the device is said to send to: it has node 9 at `ROAMED`, heard of just now, unless told otherwise. */
function used(peer: Partial<PeerState> = {}, fields: Parameters<typeof node>[1] = {}) {
  const device = {
    listenPort: 51820,
    firewallMark: 0,
    peers: [{
      publicKey: key(9),
      endpoint: ROAMED,
      persistentKeepalive: 0,
      allowedIPs: [],
      lastHandshake: NOW - 1000,
      receivedBytes: 500,
      sentBytes: 0,
      ...peer,
    }],
  };
  const isRedeclared = () => false;
  return [...usedEndpoints([node(8), node(9, fields)], { device, now: NOW, isRedeclared })];
}

Deno.test("usedEndpoints() tells where nodes were heard of that are not where they declare", () => {
  assert.deepEqual(used(), [[key(9), ROAMED.ip]]);
  assert.deepEqual(
    used({ endpoint: { ip: ip("10.0.0.9"), port: 7 } }),
    [],
    "the port is no address",
  );
  assert.deepEqual(used({}, { endpoint: { dns: "a.example", port: 7 } }), [[key(9), ROAMED.ip]]);
  assert.deepEqual(used({ lastHandshake: 0 }), [], "nobody was ever heard of there");
  assert.deepEqual(used({ lastHandshake: NOW - 179_000 }), [[key(9), ROAMED.ip]]);
  assert.deepEqual(used({ lastHandshake: NOW - 180_000 }), [], "it gets the declared one again");
  assert.deepEqual(used({}, { persistentKeepalive: 25 }), [], "that is where it is discovered");
  assert.deepEqual(used({ publicKey: key(7) }), []);
});

Deno.test("usedEndpoints() leaves out a node that the device is about to be told elsewhere", () => {
  const device = { listenPort: 1, firewallMark: 0, peers: [] };
  const isRedeclared = () => true;
  const options = { device, now: NOW, isRedeclared };
  assert.equal(usedEndpoints([node(9, { endpoint: endpoint("10.0.0.9:7") })], options).size, 0);
  assert.equal(usedEndpoints([node(9)], { ...options, device: undefined }).size, 0);
});

Deno.test("equalUsedEndpoints() compares addresses", () => {
  const map = (...entries: [number, string][]) =>
    new Map(entries.map(([number, address]) => [key(number), ip(address)]));
  assert.ok(equalUsedEndpoints(map(), map()));
  assert.ok(equalUsedEndpoints(map([1, "10.0.0.1"]), map([1, "10.0.0.1"])));
  assert.ok(!equalUsedEndpoints(map([1, "10.0.0.1"]), map([1, "10.0.0.2"])));
  assert.ok(!equalUsedEndpoints(map([1, "10.0.0.1"]), map([2, "10.0.0.1"])));
  assert.ok(!equalUsedEndpoints(map([1, "10.0.0.1"]), map()));
});
