import assert from "node:assert/strict";
import fc from "fast-check";
import type { DeviceConfig } from "../../src/net/device.ts";
import { type Key, keyFromBytes, ZERO_KEY } from "../../src/net/key.ts";
import { formatPrefix, network, networkKey } from "../../src/net/prefix.ts";
import { afterChange, isEmptyChange, withScratchPeer } from "../../src/wireguard/change.ts";
import { diffDevice } from "../../src/wireguard/diff.ts";
import { withReplacedPeers } from "../../src/wireguard/replace.ts";
import { clampPrivateKey } from "../../src/wireguard/key.ts";
import { canonical, SimulatedWireGuard } from "./simulated_wireguard.ts";
import { config, prefix } from "./wireguard_arbitraries.ts";

const SCRATCH = keyFromBytes(new Uint8Array(32).fill(99));
const NOW = 1_700_000_000_000;
const options = { now: NOW, publicKey: keyFromBytes(new Uint8Array(32).fill(8)) };

/** A device that was configured like this before, and talked to every second peer since. */
function deviceLike(desired: DeviceConfig): SimulatedWireGuard {
  const device = new SimulatedWireGuard(options.publicKey);
  device.apply(diffDevice(desired, device.state(), options));
  [...device.peers.values()].forEach((peer, index) => {
    if (index % 2 === 0) device.peers.set(peer.publicKey, { ...peer, lastHandshake: NOW - 1000 });
  });
  return device;
}

/** Of peers with one key the last counts; then each takes its networks, in order. */
function ownersInTheEnd(desired: DeviceConfig): Map<string, Key> {
  const owners = new Map<string, Key>();
  desired.peers.forEach((peer, index) => {
    const named = desired.peers.slice(index + 1).some((later) =>
      later.publicKey === peer.publicKey
    );
    if (named || peer.publicKey === options.publicKey) return;
    for (const prefix of peer.allowedIPs) {
      owners.set(formatPrefix(network(prefix)), peer.publicKey);
    }
  });
  return owners;
}

Deno.test("diffDevice() turns any device into any desired state", () => {
  fc.assert(
    fc.property(config, config, (before, desired) => {
      const device = deviceLike(before);
      device.apply(diffDevice(desired, device.state(), options));
      assert.equal(device.privateKey, clampPrivateKey(desired.privateKey!));
      assert.equal(device.listenPort, desired.listenPort);
      assert.deepEqual(
        new Map([...device.owners].sort()),
        new Map([...ownersInTheEnd(desired)].sort()),
      );
      const desiredPeers = new Map(desired.peers.map((peer) => [peer.publicKey, peer]));
      desiredPeers.delete(options.publicKey);
      assert.deepEqual([...device.peers.keys()].sort(), [...desiredPeers.keys()].sort());
      for (const peer of device.peers.values()) {
        const { presharedKey = ZERO_KEY, persistentKeepalive } = desiredPeers.get(peer.publicKey)!;
        assert.equal(peer.presharedKey ?? ZERO_KEY, presharedKey);
        assert.equal(peer.persistentKeepalive, (persistentKeepalive + 0x100000) % 0x10000);
      }
    }),
    { numRuns: 1000 },
  );
});

Deno.test("withReplacedPeers() leads to the same, and never changes a peer that is there", () => {
  fc.assert(
    fc.property(config, config, (before, desired) => {
      const [device, replaced] = [deviceLike(before), deviceLike(before)];
      const change = diffDevice(desired, device.state(), options);
      device.apply(change);
      const { steps, reset } = withReplacedPeers(change, replaced.state());
      for (const step of steps) {
        assert.ok(step.peers.length <= 1);
        for (const peer of step.peers) {
          assert.equal(replaced.peers.has(peer.publicKey), peer.kind === "remove");
        }
        replaced.apply(step);
      }
      for (const key of reset) {
        const peer = device.peers.get(key)!;
        device.peers.set(key, { ...peer, lastHandshake: 0, receivedBytes: 0 });
      }
      assert.deepEqual(canonical(replaced.state()), canonical(device.state()));
    }),
    { numRuns: 500 },
  );
});

Deno.test("diffDevice() of a device that is as desired is empty", () => {
  fc.assert(
    fc.property(config, config, (before, desired) => {
      const device = deviceLike(before);
      device.apply(diffDevice(desired, device.state(), options));
      assert.ok(isEmptyChange(diffDevice(desired, device.state(), options)));
    }),
    { numRuns: 500 },
  );
});

Deno.test("diffDevice() names no peer that stays as it is", () => {
  fc.assert(
    fc.property(config, config, (before, desired) => {
      const device = deviceLike(before);
      const then = new Map(device.state().peers.map((peer) => [peer.publicKey, peer]));
      const change = diffDevice(desired, device.state(), options);
      device.apply(change);
      const now = new Map(device.state().peers.map((peer) => [peer.publicKey, peer]));
      for (const { publicKey, kind } of change.peers) {
        assert.equal(kind === "add", !then.has(publicKey));
        assert.equal(kind === "remove", !now.has(publicKey));
        assert.notDeepEqual(now.get(publicKey), then.get(publicKey));
      }
    }),
    { numRuns: 500 },
  );
});

Deno.test("diffDevice() never takes a network that shall stay with somebody from everybody", () => {
  fc.assert(
    fc.property(config, config, fc.boolean(), (before, desired, scratched) => {
      const device = deviceLike(before);
      const then = new Map(device.owners);
      const change = diffDevice(desired, device.state(), options);
      const target = new SimulatedWireGuard(options.publicKey);
      target.apply(diffDevice(desired, target.state(), options));
      device.onStep = () => {
        for (const [cidr, owner] of then) {
          const shall = target.owners.get(cidr);
          if (shall !== undefined) {
            assert.ok([owner, shall].includes(device.owners.get(cidr)!), cidr);
          }
        }
      };
      device.apply(scratched ? withScratchPeer(change, SCRATCH) : change);
    }),
    { numRuns: 500 },
  );
});

Deno.test("withScratchPeer() has the same result without taking single networks", () => {
  fc.assert(
    fc.property(config, config, (before, desired) => {
      const [one, other] = [deviceLike(before), deviceLike(before)];
      const change = diffDevice(desired, one.state(), options);
      const scratched = withScratchPeer(change, SCRATCH);
      one.apply(change);
      other.apply(scratched);
      assert.deepEqual(canonical(other.state()), canonical(one.state()));
      for (const peer of scratched.peers) {
        if (peer.kind !== "remove") assert.deepEqual(peer.removeAllowedIPs, []);
      }
    }),
    { numRuns: 500 },
  );
});

Deno.test("afterChange() is what the device then reports", () => {
  fc.assert(
    fc.property(config, config, fc.boolean(), (before, desired, scratched) => {
      const device = deviceLike(before);
      const then = device.state();
      const change = diffDevice(desired, then, options);
      const applied = scratched ? withScratchPeer(change, SCRATCH) : change;
      device.apply(applied);
      assert.deepEqual(canonical(afterChange(then, applied)), canonical(device.state()));
    }),
    { numRuns: 500 },
  );
});

Deno.test("networkKey() is one for each network", () => {
  const keys = new Map<number | bigint, string>();
  fc.assert(
    fc.property(prefix, (prefix) => {
      const cidr = formatPrefix(network(prefix));
      const key = networkKey(prefix);
      assert.equal(keys.get(key) ?? cidr, cidr);
      assert.equal(key, networkKey(network(prefix)));
      keys.set(key, cidr);
    }),
    { numRuns: 2000 },
  );
  assert.equal(new Set(keys.values()).size, keys.size);
});
