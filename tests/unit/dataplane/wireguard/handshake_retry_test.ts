import assert from "node:assert/strict";
import { Device } from "../../../../src/dataplane/wireguard/device.ts";
import type { DeviceConfig, PeerConfig } from "../../../../src/net/device.ts";
import { parseIP } from "../../../../src/net/ip.ts";
import { type Key, keyFromBytes } from "../../../../src/net/key.ts";
import { DESIRED, EMPTY, FakeClient, KEPT, KEPT_DESIRED } from "./fake_client.ts";

/** When the device resets the only peer of a configuration, in milliseconds after it came. */
async function resets(desired: DeviceConfig, publicKey?: Key): Promise<number[]> {
  const client = new FakeClient(EMPTY);
  const device = new Device([client]);
  const times: number[] = [];
  for (let now = 0; now < 5000; now += 10) {
    const before = client.removed.length;
    const { added } = await device.apply(desired, { now, ...publicKey && { publicKey } });
    if (client.removed.length > before) times.push(now);
    assert.equal(added.length, now === 0 || times.at(-1) === now ? 1 : 0, "it gets a packet");
  }
  assert.equal(client.state?.peers.length, 1);
  return times;
}

const SOONER = [50, 100, 200, 450, 1000, 2200];
const LATER = [140, 320, 700, 1500, 3000];
const LOWER_KEY = keyFromBytes(new Uint8Array(32).fill(1));
const HIGHER_KEY = keyFromBytes(new Uint8Array(32).fill(9));

Deno.test("Device resets a peer that never answered, a few times", async () => {
  assert.deepEqual(await resets(KEPT_DESIRED), SOONER);
});

Deno.test("Device resets peers whose initiation crossed ours, one side first", async () => {
  const desired = { ...DESIRED, peers: [{ ...KEPT, persistentKeepalive: 0 }] };
  assert.deepEqual(await resets(desired, LOWER_KEY), SOONER);
  assert.deepEqual(await resets(desired, HIGHER_KEY), LATER);
});

Deno.test("Device resets a peer at once that was never heard of and is found elsewhere", async () => {
  const at = (text: string) => ({ ip: parseIP(text)!, port: 51820 });
  const desired = (endpoint?: PeerConfig["endpoint"]) => ({
    ...DESIRED,
    peers: [{ ...KEPT, behindNAT: true, ...endpoint && { endpoint } }],
  });
  const { endpoint: _, ...nowhere } = KEPT;
  for (
    const before of [
      { ...DESIRED, peers: [{ ...nowhere, behindNAT: true }] },
      desired(at("10.0.0.1")),
    ]
  ) {
    const client = new FakeClient(EMPTY);
    const device = new Device([client]);
    await device.apply(before, { now: 0, publicKey: LOWER_KEY });
    const { added } = await device.apply(desired(at("192.0.2.7")), {
      now: 10,
      publicKey: LOWER_KEY,
    });
    assert.deepEqual([client.removed, added], [[KEPT.publicKey], [KEPT.publicKey]]);
    assert.deepEqual(client.state?.peers[0]?.endpoint, at("192.0.2.7"));
    await device.apply(desired(at("192.0.2.7")), { now: 10 + SOONER[0]!, publicKey: LOWER_KEY });
    assert.equal(client.removed.length, 2, "the other side may have begun just then, too");
  }
});

Deno.test("Device reads whether a peer was heard of meanwhile before it resets it", async () => {
  const client = new FakeClient(EMPTY);
  const device = new Device([client]);
  await device.apply(KEPT_DESIRED, { now: 0 });
  const [peer] = client.state!.peers;
  client.state = { ...client.state!, peers: [{ ...peer!, lastHandshake: 5, receivedBytes: 92 }] };
  const endpoint = { ip: parseIP("192.0.2.7")!, port: 51820 };
  const { added } = await device.apply({ ...DESIRED, peers: [{ ...KEPT, endpoint }] }, { now: 10 });
  assert.deepEqual([client.removed, added], [[], []]);
  assert.deepEqual(client.state?.peers[0]?.endpoint, endpoint);
});

Deno.test("Device leaves it to a peer behind NAT to begin, unless it is behind one itself", async () => {
  const nat = { ...KEPT, persistentKeepalive: 0, behindNAT: true };
  assert.deepEqual(await resets({ peers: [nat] }, LOWER_KEY), []);
  const both = { peers: [{ ...nat, persistentKeepalive: 25 }] };
  assert.deepEqual(await resets(both, LOWER_KEY), SOONER);
  assert.deepEqual(await resets(both, HIGHER_KEY), LATER);
});

Deno.test("Device does not reset peers of which a hanging device says nothing", async () => {
  const client = new FakeClient(EMPTY);
  const device = new Device([client]);
  await device.apply(KEPT_DESIRED, { now: 0 });
  client.hangs = true;
  const { reads } = client;
  for (let now = 10; now < 1000; now += 10) {
    assert.equal((await device.apply(KEPT_DESIRED, { now })).again !== undefined, now < SOONER[0]!);
  }
  assert.deepEqual([client.removed, client.reads], [[], reads + 1], "asked once a poll");
  client.hangs = false;
  device.invalidate();
  await device.apply(KEPT_DESIRED, { now: 1000 });
  assert.deepEqual(client.removed, [KEPT.publicKey]);
});

Deno.test("Device gives a peer time that is just shaking hands", async () => {
  const client = new FakeClient(EMPTY);
  const device = new Device([client]);
  await device.apply(KEPT_DESIRED, { now: 0 });
  const [peer] = client.state!.peers;
  client.state = { ...client.state!, peers: [{ ...peer!, receivedBytes: 148 }] };
  await device.apply(KEPT_DESIRED, { now: 80 });
  assert.deepEqual(client.removed, []);
  await device.apply(KEPT_DESIRED, { now: 200 });
  assert.deepEqual(client.removed, [KEPT.publicKey], "nothing has come of it");
});

/** Bytes of a response, of an initiation and a response, and of the smallest packet. */
const HANDSHAKE = 92;
const CROSSED = 148 + HANDSHAKE;
const DATA = 32;

Deno.test("Device resets a peer whose handshake crossed ours and that does not answer then", async () => {
  for (
    const [receivedBytes, expected] of [
      [CROSSED, [200, 450, 1000, 2200]], // as long as its packet may be under way it waits
      [HANDSHAKE, []], // only its firewall is silent
    ] as const
  ) {
    const client = new FakeClient(EMPTY);
    const device = new Device([client]);
    const times: number[] = [];
    for (let now = 0; now < 5000; now += 10) {
      const before = client.removed.length;
      await device.apply(KEPT_DESIRED, { now });
      if (client.removed.length > before) times.push(now);
      const [peer] = client.state!.peers;
      const isNew = peer!.lastHandshake === 0;
      client.state = {
        ...client.state!,
        peers: [{ ...peer!, receivedBytes, ...isNew && { lastHandshake: now + 5 } }],
      };
    }
    assert.deepEqual(times, expected);
  }
});

Deno.test("Device waits longer for an answer from far away, and from one of many", async () => {
  const many = Array.from({ length: 20 }, (_, at) => ({
    ...KEPT,
    publicKey: keyFromBytes(new Uint8Array(32).fill(at + 1)),
  }));
  for (const [peers, way, first] of [[[KEPT], 180, 1000], [many, 5, 1000]] as const) {
    const client = new FakeClient(EMPTY);
    const device = new Device([client]);
    await device.apply({ ...DESIRED, peers }, { now: 0 });
    client.state = {
      ...client.state!,
      peers: client.state!.peers.map((peer) => ({
        ...peer,
        lastHandshake: way,
        receivedBytes: CROSSED,
      })),
    };
    for (const now of [200, 450]) await device.apply({ ...DESIRED, peers }, { now });
    const { publicKey } = peers.at(-1)!;
    assert.ok(!client.removed.includes(publicKey), "its packet is the last that is sent");
    await device.apply({ ...DESIRED, peers }, { now: first });
    assert.ok(client.removed.includes(publicKey));
  }
});

Deno.test("Device leaves a peer alone that has answered", async () => {
  const client = new FakeClient(EMPTY);
  const device = new Device([client]);
  await device.apply(KEPT_DESIRED, { now: 0 });
  const [peer] = client.state!.peers;
  client.state = {
    ...client.state!,
    peers: [{ ...peer!, lastHandshake: 60, receivedBytes: HANDSHAKE + DATA }],
  };
  for (let now = 100; now < 10_000; now += 100) await device.apply(KEPT_DESIRED, { now });
  assert.deepEqual(client.removed, []);
});

Deno.test("Device.resetSessions() resets peers that have forgotten us", async () => {
  const client = new FakeClient(EMPTY);
  const device = new Device([client]);
  await device.apply(KEPT_DESIRED, { now: 0 });
  const peer = { ...client.state!.peers[0]!, persistentKeepalive: 25, lastHandshake: 900 };
  client.state = { ...client.state!, peers: [peer] };
  device.resetSessions();
  for (let now = 1000; now < 1200; now += 100) await device.apply(KEPT_DESIRED, { now });
  assert.deepEqual(client.removed, [KEPT.publicKey]);
  client.state = {
    ...client.state!,
    peers: [{ ...peer, lastHandshake: 1150, receivedBytes: HANDSHAKE + DATA }],
  };
  for (let now = 1200; now < 9000; now += 100) await device.apply(KEPT_DESIRED, { now });
  assert.deepEqual(client.removed, [KEPT.publicKey]);
});

Deno.test("Device does not wait when the clock jumps back", async () => {
  const client = new FakeClient(EMPTY);
  const device = new Device([client]);
  await device.apply(KEPT_DESIRED, { now: 5000 });
  assert.equal((await device.apply(KEPT_DESIRED, { now: 0 })).again, undefined);
  assert.equal(client.state?.peers[0]?.persistentKeepalive, 25);
});

Deno.test("Device leaves a peer to WireGuard of which no address is known that could answer", async () => {
  const { probe: _, ...silent } = KEPT;
  assert.deepEqual(await resets({ ...DESIRED, peers: [silent] }), []);
});

Deno.test("Device drops the dead session of such a peer once when it has forgotten us", async () => {
  const { probe: _, ...silent } = KEPT;
  const desired = { ...DESIRED, peers: [silent] };
  const client = new FakeClient(EMPTY);
  const device = new Device([client]);
  await device.apply(desired, { now: 0 });
  client.state = {
    ...client.state!,
    peers: [{ ...client.state!.peers[0]!, lastHandshake: 900 }],
  };
  device.resetSessions();
  for (let now = 1000; now < 9000; now += 50) await device.apply(desired, { now });
  assert.deepEqual(client.removed, [KEPT.publicKey]);
});

Deno.test("Device waits for packets of earlier peers that are still queued", async () => {
  const earlier = Array.from({ length: 40 }, (_, at) => ({
    ...KEPT,
    publicKey: keyFromBytes(new Uint8Array(32).fill(at + 10)),
  }));
  const client = new FakeClient(EMPTY);
  const device = new Device([client]);
  await device.apply({ ...DESIRED, peers: earlier }, { now: 0 });
  const answered = client.state!.peers.map((peer) => ({
    ...peer,
    lastHandshake: 5,
    receivedBytes: HANDSHAKE + DATA,
  }));
  client.state = { ...client.state!, peers: answered };
  const desired = { ...DESIRED, peers: [...earlier, KEPT] };
  await device.apply(desired, { now: 10 });
  const late = client.state!.peers.find(({ publicKey }) => publicKey === KEPT.publicKey)!;
  client.state = {
    ...client.state!,
    peers: [...answered, { ...late, lastHandshake: 15, receivedBytes: CROSSED }],
  };
  device.invalidate();
  for (const now of [60, 110, 210, 460]) await device.apply(desired, { now });
  assert.deepEqual(client.removed, [], "40 packets take 800 ms");
  await device.apply(desired, { now: 1010 });
  assert.deepEqual(client.removed, [KEPT.publicKey]);
});
