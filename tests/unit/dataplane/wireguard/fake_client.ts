/** A WireGuard device in memory, and configurations for it. */

import assert from "node:assert/strict";
import type { DeviceState } from "../../../../src/net/device.ts";
import { parseIP } from "../../../../src/net/ip.ts";
import { type Key, keyFromBytes } from "../../../../src/net/key.ts";
import { afterChange } from "../../../../src/wireguard/change.ts";
import { type WireGuardClient, WireGuardError } from "../../../../src/wireguard/client.ts";

export const DESIRED = {
  listenPort: 51820,
  peers: [{
    publicKey: keyFromBytes(new Uint8Array(32).fill(7)),
    persistentKeepalive: 0,
    allowedIPs: [],
  }],
};

/** A client that counts; without a state it finds no device. */
export class FakeClient implements WireGuardClient {
  readonly name = "kilo0";
  kind: WireGuardClient["kind"] = "kernel";
  reads = 0;
  changes = 0;
  fails = false;
  hangs = false;
  readonly removed: Key[] = [];
  last: Parameters<WireGuardClient["apply"]>[0] | undefined;
  /** Whom each change resets. */
  resets: readonly Key[] = [];

  constructor(public state?: DeviceState) {}

  async read(): Promise<DeviceState> {
    this.reads++;
    if (this.hangs) refusal("timeout");
    return await this.state ?? refusal("absent");
  }

  async apply(change: Parameters<WireGuardClient["apply"]>[0]): Promise<readonly Key[]> {
    this.changes++;
    this.last = change;
    if (this.fails) refusal("refused");
    const keys = change.peers.map(({ publicKey }) => publicKey);
    assert.equal(new Set(keys).size, keys.length, "nobody is removed and added at once");
    const removed = change.peers.filter(({ kind }) => kind === "remove");
    this.removed.push(...removed.map(({ publicKey }) => publicKey));
    this.state = await afterChange(this.state!, change);
    return this.resets;
  }
}

function refusal(reason: "absent" | "refused" | "timeout"): never {
  throw new WireGuardError("no", { reason });
}

export const EMPTY: DeviceState = { listenPort: 0, firewallMark: 0, peers: [] };

/** A peer behind a device that is itself behind NAT. */
export const KEPT = {
  ...DESIRED.peers[0]!,
  probe: parseIP("10.4.0.7")!,
  persistentKeepalive: 25,
  endpoint: { ip: parseIP("192.0.2.1")!, port: 51820 },
};
export const KEPT_DESIRED = { ...DESIRED, peers: [KEPT] };
