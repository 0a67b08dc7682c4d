/** WireGuard configurations to try. */

import fc from "fast-check";
import type { DeviceConfig, PeerConfig } from "../../src/net/device.ts";
import { keyFromBytes, ZERO_KEY } from "../../src/net/key.ts";
import type { Prefix } from "../../src/net/prefix.ts";

// Few keys and few addresses, so that peers meet, move and claim the same network.
const key = fc.integer({ min: 1, max: 8 }).map((n) => keyFromBytes(new Uint8Array(32).fill(n)));
export const prefix: fc.Arbitrary<Prefix> = fc.record({
  ip: fc.oneof(
    fc.record({
      family: fc.constant(4 as const),
      value: fc.integer({ min: 0x0a000000, max: 0x0a00000f }).map(BigInt),
    }),
    fc.record({
      family: fc.constant(6 as const),
      value: fc.integer({ min: 0, max: 15 }).map((n) => (0xfd00n << 112n) + BigInt(n)),
    }),
  ),
  bits: fc.constantFrom(0, 1, 24, 30, 31, 32),
});
const address = fc.integer({ min: 1, max: 3 }).map((n) => ({
  ip: { family: 4 as const, value: 0xcb007100n + BigInt(n) },
  port: 51820,
}));
const peer: fc.Arbitrary<PeerConfig> = fc.record({
  publicKey: key,
  presharedKey: fc.oneof(key, fc.constant(ZERO_KEY)),
  endpoint: address,
  behindNAT: fc.boolean(),
  persistentKeepalive: fc.constantFrom(0, 25, -5, 100_000),
  allowedIPs: fc.array(prefix, { maxLength: 4 }),
}, { requiredKeys: ["publicKey", "persistentKeepalive", "allowedIPs"] });
export const config: fc.Arbitrary<DeviceConfig> = fc.record({
  privateKey: key,
  listenPort: fc.integer({ min: 1, max: 65535 }),
  peers: fc.array(peer, { maxLength: 10 }),
});
