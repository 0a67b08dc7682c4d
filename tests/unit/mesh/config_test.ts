import assert from "node:assert/strict";
import { formatPrefix } from "../../../src/net/prefix.ts";
import { asPeerConfig, deviceConfig, peerConfig } from "../../../src/mesh/config.ts";
import { endpoint, ip, key, loneNode, mesh, peer, prefix } from "./cluster.ts";

const SEEN = { ip: ip("192.0.2.9"), port: 9 };

Deno.test("deviceConfig() names other segments, then Peers, with the local keepalive", () => {
  const topology = mesh([
    loneNode(1, { persistentKeepalive: 25 }),
    loneNode(2, { allowedLocationIPs: [prefix("172.16.0.0/16")] }),
  ], { peers: [peer(1, { presharedKey: key(99), persistentKeepalive: 5 })] });
  const config = deviceConfig(topology, { privateKey: key(77), listenPort: 51821 });
  assert.deepEqual(config, {
    privateKey: key(77),
    listenPort: 51821,
    peers: [{
      publicKey: key(2),
      endpoint: endpoint("10.0.0.2:51820"),
      persistentKeepalive: 25,
      allowedIPs: ["10.42.2.0/24", "10.4.0.2/32", "172.16.0.0/16"].map(prefix),
      probe: ip("10.4.0.2"),
    }, {
      publicKey: key(201),
      presharedKey: key(99),
      behindNAT: true,
      persistentKeepalive: 25,
      allowedIPs: [prefix("10.5.0.1/32")],
      probe: ip("10.5.0.1"),
    }],
  });
});

Deno.test("deviceConfig() names the address to try of a Peer: its first single one", () => {
  const peers = [
    ["10.5.0.0/24", "fd00::7/128", "10.5.0.7/32"],
    ["0.0.0.0/0"],
    ["10.6.0.7/24", "192.168.1.0/24"],
    [],
  ].map((texts, at) => peer(at, { allowedIPs: texts.map(prefix) }));
  const { peers: targets } = deviceConfig(mesh([loneNode(1)], { peers }), { listenPort: 1 });
  assert.deepEqual(targets.map(({ probe }) => probe), [
    ip("fd00::7"),
    undefined,
    undefined,
    undefined,
  ]);
});

Deno.test("deviceConfig() keeps an address of the other family than the one seen", () => {
  const seen = { ip: ip("2001:db8::9"), port: 9 };
  const named = { dns: "a.b", ip: ip("192.0.2.1"), alternative: ip("2001:db8::1"), port: 7 };
  const endpoints = (discovered: typeof SEEN | undefined, persistentKeepalive: number) => {
    const discoveredEndpoints = new Map(discovered ? [[key(201), discovered]] : []);
    const topology = mesh([loneNode(1, { discoveredEndpoints })], {
      peers: [peer(1, { endpoint: named, persistentKeepalive })],
    });
    return deviceConfig(topology, { listenPort: 1 }).peers[0]!.endpoint;
  };
  assert.deepEqual(endpoints(seen, 1), { ...seen, alternative: ip("192.0.2.1") });
  assert.deepEqual(endpoints(SEEN, 1), { ...SEEN, alternative: ip("2001:db8::1") });
  assert.deepEqual(endpoints(undefined, 1), named);
  assert.deepEqual(endpoints(seen, 0), named);
});

Deno.test("deviceConfig() puts the endpoint where a target behind NAT was seen", () => {
  const discoveredEndpoints = new Map([2, 3, 201, 202].map((number) => [key(number), SEEN]));
  const topology = mesh([
    loneNode(1, { discoveredEndpoints }),
    loneNode(2, { persistentKeepalive: 1 }),
    loneNode(3),
  ], { peers: [peer(1), peer(2, { persistentKeepalive: 1 })] });
  const { peers } = deviceConfig(topology, { listenPort: 1 });
  assert.deepEqual(
    peers.map((peer) => [peer.endpoint, peer.behindNAT]),
    [[SEEN, true], [endpoint("10.0.0.3:51820"), undefined], [undefined, undefined], [SEEN, true]],
  );
});

Deno.test("peerConfig() leaves the Peer itself out and uses its secret for segments only", () => {
  const self = peer(1, { presharedKey: key(99), persistentKeepalive: 7 });
  const topology = mesh([loneNode(1), loneNode(2)], {
    peers: [self, peer(2, { presharedKey: key(98) })],
  });
  assert.deepEqual(
    peerConfig(topology, self).peers.map((peer) => [
      peer.publicKey,
      peer.presharedKey,
      peer.persistentKeepalive,
    ]),
    [[key(1), key(99), 7], [key(2), key(99), 7], [key(202), undefined, 7]],
  );
  assert.deepEqual(peerConfig(topology, undefined).peers.map((peer) => peer.publicKey), [
    key(1),
    key(2),
    key(201),
    key(202),
  ]);
});

Deno.test("asPeerConfig() is the local segment as declared, without allowed location IPs", () => {
  const topology = mesh([loneNode(1, {
    persistentKeepalive: 25,
    discoveredEndpoints: new Map([[key(1), SEEN]]),
    allowedLocationIPs: [prefix("172.16.0.0/16")],
  })]);
  const { allowedIPs, ...rest } = asPeerConfig(topology);
  assert.deepEqual(allowedIPs.map(formatPrefix), ["10.42.1.0/24", "10.4.0.1/32"]);
  assert.deepEqual(rest, {
    publicKey: key(1),
    endpoint: endpoint("10.0.0.1:51820"),
    persistentKeepalive: 0,
  });
});
