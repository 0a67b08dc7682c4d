import assert from "node:assert/strict";
import type { DeviceConfig, DeviceState, PeerConfig, PeerState } from "../../../src/net/device.ts";
import { parseEndpoint } from "../../../src/net/endpoint.ts";
import { type Key, keyFromBytes, ZERO_KEY } from "../../../src/net/key.ts";
import { formatPrefix, parsePrefix } from "../../../src/net/prefix.ts";
import type { PeerChange } from "../../../src/wireguard/change.ts";
import { declaredEndpoints, isRedeclared } from "../../../src/wireguard/declared.ts";
import { diffDevice } from "../../../src/wireguard/diff.ts";
import { clampPrivateKey } from "../../../src/wireguard/key.ts";

const NOW = 1_700_000_000_000;
const [A, B, C] = [key(1), key(2), key(3)];

function key(fill: number): Key {
  return keyFromBytes(new Uint8Array(32).fill(fill));
}

function address(text: string) {
  const { ip, port } = parseEndpoint(text)!;
  return { ip: ip!, port };
}

type Options<T> = Partial<Omit<T, "allowedIPs" | "publicKey">> & { readonly ips?: string };

function prefixes(ips = "") {
  return ips.split(" ").filter(Boolean).map((ip) => parsePrefix(ip)!);
}

function desiredPeer(publicKey: Key, { ips, ...values }: Options<PeerConfig> = {}): PeerConfig {
  return { publicKey, persistentKeepalive: 0, ...values, allowedIPs: prefixes(ips) };
}

function present(publicKey: Key, { ips, ...values }: Options<PeerState> = {}): PeerState {
  return {
    publicKey,
    persistentKeepalive: 0,
    lastHandshake: 0,
    receivedBytes: 0,
    sentBytes: 0,
    ...values,
    allowedIPs: prefixes(ips),
  };
}

function state(...peers: PeerState[]): DeviceState {
  return { listenPort: 51820, firewallMark: 7, peers };
}

/** Changes with their networks as text, empty lists left out. */
function changes(
  desired: readonly PeerConfig[],
  observed: DeviceState,
  publicKey?: Key,
): unknown[] {
  const options = { now: NOW, ...publicKey && { publicKey } };
  return diffDevice({ peers: desired }, observed, options).peers.map(legible);
}

function legible(change: PeerChange): unknown {
  if (change.kind === "remove") return change;
  const { addAllowedIPs, removeAllowedIPs, ...rest } = change;
  return {
    ...rest,
    ...addAllowedIPs.length > 0 && { add: addAllowedIPs.map(formatPrefix).join(" ") },
    ...removeAllowedIPs.length > 0 && { remove: removeAllowedIPs.map(formatPrefix).join(" ") },
  };
}

Deno.test("diffDevice() adds a whole peer", () => {
  const endpoint = parseEndpoint("203.0.113.1:51820")!;
  const desired = desiredPeer(A, {
    presharedKey: C,
    endpoint,
    persistentKeepalive: 25,
    ips: "10.4.0.1/16",
  });
  assert.deepEqual(changes([desired], state()), [{
    kind: "add",
    publicKey: A,
    presharedKey: C,
    endpoint: address("203.0.113.1:51820"),
    persistentKeepalive: 25,
    add: "10.4.0.0/16",
  }]);
});

Deno.test("diffDevice() compares peers behind the first one that has no endpoint", () => {
  const observed = state(present(A), present(B), present(C));
  assert.deepEqual(
    changes([desiredPeer(A), desiredPeer(B, { ips: "10.4.0.2/32" })], observed),
    [{ kind: "update", publicKey: B, add: "10.4.0.2/32" }, { kind: "remove", publicKey: C }],
  );
});

Deno.test("diffDevice() takes what a leaving peer had before it leaves", () => {
  const observed = state(present(A, { ips: "10.4.0.1/32" }));
  assert.deepEqual(changes([desiredPeer(B, { ips: "10.4.0.1/32" })], observed), [
    { kind: "add", publicKey: B, persistentKeepalive: 0, add: "10.4.0.1/32" },
    { kind: "remove", publicKey: A },
  ]);
});

Deno.test("diffDevice() moves a network without removing it", () => {
  const observed = state(present(A, { ips: "10.4.0.0/24 10.5.0.0/24" }), present(B));
  const desired = [desiredPeer(A, { ips: "10.5.0.0/24" }), desiredPeer(B, { ips: "10.4.0.0/24" })];
  assert.deepEqual(changes(desired, observed), [{
    kind: "update",
    publicKey: B,
    add: "10.4.0.0/24",
  }]);
});

Deno.test("diffDevice() removes the networks nobody shall have", () => {
  const observed = state(present(A, { ips: "10.4.0.0/24 10.5.0.0/24 fd00::/64" }));
  assert.deepEqual(
    changes([desiredPeer(A, { ips: "10.4.0.0/24" })], observed),
    [{ kind: "update", publicKey: A, remove: "10.5.0.0/24 fd00::/64" }],
  );
});

Deno.test("diffDevice() compares allowed IPs as networks, in any order, duplicates or not", () => {
  const observed = state(present(A, { ips: "10.4.0.0/24 fd00::/64 10.4.0.0/25" }));
  const ips = "fd00::7/64 10.4.0.9/24 10.4.0.9/24 10.4.0.9/25";
  assert.deepEqual(changes([desiredPeer(A, { ips })], observed), []);
});

Deno.test("diffDevice() gives a network that two peers claim to the later, once", () => {
  const desired = [desiredPeer(A, { ips: "10.4.0.0/24" }), desiredPeer(B, { ips: "10.4.0.0/24" })];
  assert.deepEqual(
    changes(desired, state(present(A, { ips: "10.4.0.0/24" }), present(B))),
    [{ kind: "update", publicKey: B, add: "10.4.0.0/24" }],
  );
  assert.deepEqual(changes(desired, state(present(A), present(B, { ips: "10.4.0.0/24" }))), []);
});

Deno.test("diffDevice() takes the later entry of a key named twice", () => {
  const desired = [desiredPeer(A, { ips: "10.4.0.1/32" }), desiredPeer(A, { ips: "10.4.0.2/32" })];
  const add = { kind: "add", publicKey: A, persistentKeepalive: 0, add: "10.4.0.2/32" };
  assert.deepEqual(changes(desired, state()), [add]);
});

Deno.test("diffDevice() leaves out a peer that has the device's own key", () => {
  const desired = [desiredPeer(A, { ips: "10.4.0.1/32" }), desiredPeer(B, { ips: "10.4.0.1/32" })];
  const observed = state(present(A, { ips: "10.4.0.1/32" }));
  assert.deepEqual(changes(desired, observed, B), []);
});

Deno.test("diffDevice() sets, changes and clears preshared keys", () => {
  assert.deepEqual(
    changes(
      [
        desiredPeer(A, { presharedKey: C }),
        desiredPeer(B),
        desiredPeer(C, { presharedKey: ZERO_KEY }),
      ],
      state(present(A, { presharedKey: B }), present(B, { presharedKey: C }), present(C)),
    ),
    [
      { kind: "update", publicKey: A, presharedKey: C },
      { kind: "update", publicKey: B, presharedKey: ZERO_KEY },
    ],
  );
});

Deno.test("diffDevice() sets keepalive to the low 16 bits, 0 included", () => {
  for (const [desired, kept] of [[0, 0], [25, 25], [100_000, 34_464], [-5, 65_531], [65_536, 0]]) {
    const peer = desiredPeer(A, { persistentKeepalive: desired! });
    assert.deepEqual(changes([peer], state(present(A, { persistentKeepalive: kept! }))), []);
    const before = state(present(A, { persistentKeepalive: 1 }));
    const update = { kind: "update", publicKey: A, persistentKeepalive: kept };
    assert.deepEqual(changes([peer], before), [update]);
  }
});

const DECLARED = parseEndpoint("203.0.113.1:51820")!;
const ROAMED = address("198.51.100.9:40000");

const MOVED_BACK = { kind: "update", publicKey: A, endpoint: address("203.0.113.1:51820") };

Deno.test("diffDevice() leaves a roamed endpoint to WireGuard while the session lives", () => {
  const desired = [desiredPeer(A, { endpoint: DECLARED })];
  for (
    const [lastHandshake, expected] of [
      [NOW + 5000, []], // a clock that was set back
      [NOW - 179_000, []],
      [NOW - 180_000, [MOVED_BACK]],
      [0, [MOVED_BACK]],
    ] as const
  ) {
    const observed = state(present(A, { endpoint: ROAMED, lastHandshake, receivedBytes: 148 }));
    assert.deepEqual(changes(desired, observed), expected, `${lastHandshake}`);
  }
  const otherPort = state(present(A, { endpoint: address("203.0.113.1:51821") }));
  assert.deepEqual(changes(desired, otherPort), [MOVED_BACK]);
});

Deno.test("diffDevice() sets an endpoint that is declared again, also of a peer that is talking", () => {
  const observed = state(present(A, { endpoint: ROAMED, lastHandshake: NOW - 1000 }));
  const named = { dns: "a.example", port: 51820 };
  const dual = { ...DECLARED, alternative: parseEndpoint("[2001:db8::1]:51820")!.ip! };
  const cases: readonly [string, PeerConfig["endpoint"], unknown[]][] = [
    ["unchanged", DECLARED, []],
    ["another address", parseEndpoint("203.0.113.2:51820"), [MOVED_BACK]],
    ["another port", parseEndpoint("203.0.113.1:51821"), [MOVED_BACK]],
    ["none before", undefined, [MOVED_BACK]],
    ["a name that resolves now", named, []],
    ["one more family", dual, []],
    ["the other family only", parseEndpoint("[2001:db8::1]:51820"), [MOVED_BACK]],
  ];
  for (const [what, endpoint, expected] of cases) {
    const before = { peers: [desiredPeer(A, endpoint && { endpoint })] };
    const options = { now: NOW, declared: declaredEndpoints(before, new Map()) };
    const { peers } = diffDevice(
      { peers: [desiredPeer(A, { endpoint: DECLARED })] },
      observed,
      options,
    );
    assert.deepEqual(peers.map(legible), expected, what);
  }
});

Deno.test("declaredEndpoints() knows what was before a name that does not resolve yet", () => {
  const unresolved = { peers: [desiredPeer(A, { endpoint: { dns: "b.example", port: 51820 } })] };
  const first = declaredEndpoints({ peers: [desiredPeer(A, { endpoint: DECLARED })] }, new Map());
  const declared = declaredEndpoints(unresolved, first);
  assert.deepEqual(declared.get(A), DECLARED);
  assert.equal(isRedeclared(desiredPeer(A, { endpoint: DECLARED }), declared), false);
  const elsewhere = parseEndpoint("203.0.113.2:51820")!;
  assert.equal(isRedeclared(desiredPeer(A, { endpoint: elsewhere }), declared), true);
});

Deno.test("diffDevice() leaves the endpoint of a target behind NAT while its session lives", () => {
  const desired = [desiredPeer(A, { endpoint: DECLARED, behindNAT: true })];
  const update = { kind: "update", publicKey: A, endpoint: address("203.0.113.1:51820") };
  for (
    const [lastHandshake, expected] of [
      [NOW + 5000, []], // a clock that was set back
      [NOW - 269_000, []],
      [NOW - 270_000, [update]],
      [0, [update]],
    ] as const
  ) {
    const observed = state(present(A, { endpoint: ROAMED, lastHandshake }));
    assert.deepEqual(changes(desired, observed), expected, `${lastHandshake}`);
  }
  assert.deepEqual(changes(desired, state(present(A, { lastHandshake: NOW }))), [update]);
  // A clock that starts in 1970 makes no session out of none.
  const never = state(present(A, { endpoint: ROAMED }));
  assert.equal(diffDevice({ peers: desired }, never, { now: 1000 }).peers.length, 1);
});

Deno.test("diffDevice() leaves the endpoint of a target behind NAT that has begun a handshake", () => {
  const desired = [desiredPeer(A, { endpoint: DECLARED, behindNAT: true })];
  const begun = state(present(A, { endpoint: ROAMED, receivedBytes: 148 }));
  assert.deepEqual(changes(desired, begun), []);
});

Deno.test("diffDevice() leaves the endpoint alone where none is known", () => {
  const observed = state(present(A, { endpoint: ROAMED }));
  assert.deepEqual(changes([desiredPeer(A)], observed), []);
  assert.deepEqual(
    changes([desiredPeer(A, { endpoint: { dns: "a.example", port: 1 } })], observed),
    [],
  );
});

Deno.test("diffDevice() takes the resolved address of a name", () => {
  const endpoint = { dns: "a.example", ip: DECLARED.ip!, port: 51820 };
  const observed = state(present(A, { endpoint: address("203.0.113.1:51820") }));
  assert.deepEqual(changes([desiredPeer(A, { endpoint })], observed), []);
});

Deno.test("diffDevice() sets private key and port only if they differ", () => {
  const before: DeviceState = { ...state(), privateKey: clampPrivateKey(A) };
  const diff = (desired: Omit<DeviceConfig, "peers">, observed = before) =>
    diffDevice({ ...desired, peers: [] }, observed, { now: NOW });
  assert.deepEqual(diff({ privateKey: A, listenPort: 51820 }), { peers: [] });
  assert.deepEqual(diff({}), { peers: [] });
  assert.deepEqual(diff({ listenPort: 0 }), { peers: [] });
  assert.deepEqual(diff({ privateKey: B, listenPort: 1 }), {
    privateKey: clampPrivateKey(B),
    listenPort: 1,
    peers: [],
  });
  assert.deepEqual(diff({ privateKey: ZERO_KEY }), { privateKey: ZERO_KEY, peers: [] });
  assert.deepEqual(diff({ privateKey: ZERO_KEY }, state()), { peers: [] });
});
