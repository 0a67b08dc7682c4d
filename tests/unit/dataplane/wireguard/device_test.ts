import assert from "node:assert/strict";
import { Device } from "../../../../src/dataplane/wireguard/device.ts";
import type { PeerState } from "../../../../src/net/device.ts";
import { parseIP } from "../../../../src/net/ip.ts";
import { keyFromBytes } from "../../../../src/net/key.ts";
import { WireGuardError } from "../../../../src/wireguard/client.ts";
import { DESIRED, EMPTY, FakeClient, KEPT } from "./fake_client.ts";

const OPTIONS = { now: 0 };

Deno.test("Device asks one client after the other and stays with who finds it", async () => {
  const kernel = new FakeClient(), userspace = new FakeClient(EMPTY);
  const device = new Device([kernel, userspace]);
  assert.equal((await device.apply(DESIRED, OPTIONS)).changed, 2);
  assert.deepEqual([kernel.changes, userspace.changes], [0, 1]);
  assert.equal(userspace.state?.peers.length, 1);
  device.invalidate();
  await device.read();
  assert.deepEqual([kernel.reads, userspace.reads], [1, 2]);

  [kernel.state, userspace.state] = [EMPTY, undefined];
  device.invalidate();
  assert.equal((await device.apply(DESIRED, OPTIONS)).changed, 2);
  assert.deepEqual([kernel.changes, userspace.changes], [1, 1]);
});

Deno.test("Device reads once and does nothing for an unchanged desired state", async () => {
  const client = new FakeClient(EMPTY);
  const device = new Device([client]);
  await device.apply(DESIRED, OPTIONS);
  assert.equal((await device.apply(structuredClone(DESIRED), OPTIONS)).changed, 0);
  assert.deepEqual([client.reads, client.changes], [1, 1]);
  client.state = EMPTY;
  device.invalidate();
  assert.equal((await device.apply(DESIRED, OPTIONS)).changed, 2);
});

Deno.test("Device counts peers that were reset as new, and reads again", async () => {
  const client = new FakeClient(EMPTY);
  const device = new Device([client]);
  const [peer] = DESIRED.peers;
  await device.apply(DESIRED, OPTIONS);
  client.resets = [peer!.publicKey];
  const desired = { ...DESIRED, peers: [{ ...peer!, persistentKeepalive: 7 }] };
  assert.deepEqual((await device.apply(desired, OPTIONS)).added, [peer!.publicKey]);
  client.resets = [];
  assert.equal((await device.apply(desired, OPTIONS)).changed, 0);
  assert.equal(client.reads, 2);
});

Deno.test("Device tells peers' endpoints again in userspace when an own address has gone", async () => {
  const client = new FakeClient(EMPTY);
  const device = new Device([client]);
  const desired = {
    ...DESIRED,
    peers: [...DESIRED.peers, { ...KEPT, publicKey: keyFromBytes(new Uint8Array(32).fill(9)) }],
  };
  await device.apply(desired, OPTIONS);
  device.forgetSources();
  assert.equal((await device.apply(desired, OPTIONS)).changed, 0);
  assert.equal(client.changes, 1, "the kernel needs no telling");
  client.kind = "userspace";
  device.forgetSources();
  const before = client.state;
  assert.equal((await device.apply(desired, OPTIONS)).changed, 0);
  const { publicKey, endpoint } = desired.peers[1]! as typeof KEPT;
  assert.deepEqual(client.last, {
    peers: [{ kind: "update", publicKey, endpoint, addAllowedIPs: [], removeAllowedIPs: [] }],
  });
  assert.deepEqual(client.state, before);
  await device.apply(desired, OPTIONS);
  assert.equal(client.changes, 2, "once");
});

Deno.test("Device reads again after a refusal", async () => {
  const client = new FakeClient(EMPTY);
  const device = new Device([client]);
  client.fails = true;
  await assert.rejects(device.apply(DESIRED, OPTIONS), WireGuardError);
  client.fails = false;
  assert.equal((await device.apply(DESIRED, OPTIONS)).changed, 2);
  assert.equal(client.reads, 2);
});

Deno.test("Device that hangs has what it had, until it answers again", async () => {
  const client = new FakeClient(EMPTY);
  const device = new Device([client]);
  client.hangs = true;
  await assert.rejects(device.apply(DESIRED, OPTIONS), WireGuardError, "nothing is known of it");
  client.hangs = false;
  await device.apply(DESIRED, OPTIONS);

  client.hangs = true;
  device.invalidate();
  assert.equal((await device.apply(DESIRED, OPTIONS)).changed, 0);
  assert.equal(device.problem?.reason, "timeout");
  const { reads } = client;
  await device.apply(DESIRED, OPTIONS);
  assert.equal(client.reads, reads, "nobody waits for it twice");
  client.fails = true;
  await assert.rejects(device.apply({ ...DESIRED, peers: [] }, OPTIONS), WireGuardError);
  await assert.rejects(device.apply(DESIRED, OPTIONS), WireGuardError, "half a change may be made");

  [client.hangs, client.fails, client.state] = [false, false, EMPTY];
  assert.equal((await device.apply(DESIRED, OPTIONS)).changed, 2);
  assert.equal(device.problem, undefined);
});

Deno.test("Device says that there is none", async () => {
  const device = new Device([new FakeClient(), new FakeClient()]);
  assert.equal(await device.read(), undefined);
  await assert.rejects(device.apply(DESIRED, OPTIONS), /no WireGuard device kilo0/);
});

Deno.test("Device looks where a peer behind NAT is before it moves it", async () => {
  const client = new FakeClient(EMPTY);
  const device = new Device([client]);
  const at = (text: string) => ({ ip: parseIP(text)!, port: 51820 });
  const desired = (ip: string) => ({
    ...DESIRED,
    peers: [{ ...DESIRED.peers[0]!, behindNAT: true, endpoint: at(ip) }],
  });
  await device.apply(desired("192.168.7.41"), { now: 0 });
  const [peer] = client.state!.peers;
  const roamed = { ...peer!, endpoint: at("192.0.2.10"), lastHandshake: 50 };
  client.state = { ...client.state!, peers: [roamed] };
  const report = await device.apply(desired("192.168.7.99"), { now: 100 });
  assert.deepEqual(report, { changed: 0, added: [], again: 0 });
  assert.deepEqual(client.state!.peers, [roamed]);
  assert.equal((await device.apply(desired("192.0.2.10"), { now: 100 })).again, undefined);
});

/** As {@link Device.isInSync}, when it is looked at. */
function isInSync(device: Device, now: number): Promise<boolean> {
  device.invalidate();
  return device.isInSync(now);
}

Deno.test("Device is still as it was while only handshakes go on", async () => {
  const client = new FakeClient(EMPTY);
  const device = new Device([client]);
  await device.apply(DESIRED, OPTIONS);
  assert.equal(await isInSync(device, 1), false, "it was never seen to be as desired");
  await device.apply(DESIRED, { now: 1 });
  const [peer] = client.state!.peers;
  const becomes = (values: Partial<PeerState>) => {
    client.state = { ...client.state!, peers: [{ ...client.state!.peers[0]!, ...values }] };
  };
  assert.equal(await isInSync(device, 2), true);

  client.hangs = true;
  assert.equal(await isInSync(device, 2), false, "there is something to tell");
  client.hangs = false;
  assert.equal(await isInSync(device, 2), false, "that must be told no more");
  assert.equal(await isInSync(device, 2), true);

  becomes({ lastHandshake: 3 });
  assert.equal(await isInSync(device, 4), false, "its endpoint is worth publishing now");
  await device.apply(DESIRED, { now: 5 });
  becomes({ lastHandshake: 6, receivedBytes: 0 });
  assert.equal(await isInSync(device, 7), true);
  assert.equal((await device.read())!.peers[0]!.lastHandshake, 6);

  for (
    const values of [{ endpoint: KEPT.endpoint }, { persistentKeepalive: 1 }, { receivedBytes: 9 }]
  ) {
    becomes(values);
    assert.equal(await isInSync(device, 8), false);
    client.state = { ...client.state!, peers: [peer!] };
    await isInSync(device, 9);
    await device.apply(DESIRED, { now: 9 });
  }
});

Deno.test("Device is not still once a peer behind NAT is silent where it is", async () => {
  const client = new FakeClient(EMPTY);
  const device = new Device([client]);
  const endpoint = { ip: parseIP("192.168.7.41")!, port: 51820 };
  const desired = { ...DESIRED, peers: [{ ...DESIRED.peers[0]!, behindNAT: true, endpoint }] };
  await device.apply(desired, { now: 0 });
  const roamed = { ...client.state!.peers[0]!, endpoint: KEPT.endpoint, lastHandshake: 10_000 };
  client.state = { ...client.state!, peers: [roamed] };
  device.invalidate();
  for (const now of [10_001, 20_000]) await device.apply(desired, { now });
  assert.equal(await isInSync(device, 279_999), true);
  assert.equal(await isInSync(device, 280_000), false);
  await device.apply(desired, { now: 280_000 });
  assert.deepEqual(client.state!.peers[0]!.endpoint, endpoint);
});
