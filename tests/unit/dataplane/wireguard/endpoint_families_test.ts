import assert from "node:assert/strict";
import { Device } from "../../../../src/dataplane/wireguard/device.ts";
import type { PeerState } from "../../../../src/net/device.ts";
import { formatAddressPort } from "../../../../src/net/endpoint.ts";
import { type IP, parseIP } from "../../../../src/net/ip.ts";
import { DESIRED, EMPTY, FakeClient, KEPT } from "./fake_client.ts";

const V4 = "192.0.2.1:51820";
const V6 = "[2001:db8::1]:51820";
const DUAL = {
  dns: "a.example",
  ip: parseIP("192.0.2.1")!,
  alternative: parseIP("2001:db8::1")!,
  port: 51820,
};

/** A device with one peer that has an address of each family. */
function dual({ hasRoute = () => true }: { readonly hasRoute?: (to: IP) => boolean } = {}) {
  const client = new FakeClient(EMPTY);
  const device = new Device([client]);
  const desired = { ...DESIRED, peers: [{ ...KEPT, endpoint: DUAL }] };
  const peer = () => client.state!.peers[0]!;
  return {
    client,
    device,
    apply: (now: number) => device.apply(desired, { now, hasRoute }),
    /** As the kernel reports it from now on. */
    becomes(values: Partial<PeerState>) {
      client.state = { ...client.state!, peers: [{ ...peer(), ...values }] };
      device.invalidate();
    },
    endpoint: () => formatAddressPort(peer().endpoint!.ip, peer().endpoint!.port),
  };
}

Deno.test("Device tries the other family each time that a new peer does not answer", async () => {
  const { apply, endpoint } = dual();
  const seen: string[] = [];
  for (let now = 0; now < 3000; now += 10) {
    await apply(now);
    if (endpoint() !== seen.at(-1)) seen.push(endpoint());
  }
  assert.deepEqual(seen, [V4, V6, V4, V6, V4, V6, V4]);
});

Deno.test("Device goes on with both families while a peer is silent, without resetting it", async () => {
  const { apply, client, device, endpoint } = dual();
  for (let now = 0; now < 3000; now += 10) await apply(now);
  const resets = client.removed.length;
  const seen: string[] = [];
  for (let now = 5000; now < 60_000; now += 5000) {
    device.invalidate();
    if (!await device.isInSync(now)) await apply(now);
    seen.push(endpoint());
  }
  assert.ok(seen.includes(V4) && seen.includes(V6), seen.join(" "));
  assert.equal(client.removed.length, resets);
});

Deno.test("Device leaves out a family that this host has no route for", async () => {
  for (const [family, expected] of [[4, V4], [6, V6]] as const) {
    const { apply, endpoint } = dual({ hasRoute: (to) => to.family === family });
    for (let now = 0; now < 30_000; now += 50) {
      await apply(now);
      assert.equal(endpoint(), expected);
    }
  }
});

Deno.test("Device stays with the family that answered, also after a silence", async () => {
  const { apply, becomes, endpoint, client } = dual();
  await apply(0);
  const roamed = { ip: parseIP("2001:db8::1")!, port: 40_000 };
  becomes({ endpoint: roamed, lastHandshake: 20, receivedBytes: 500 });
  for (let now = 30; now < 180_000; now += 5000) await apply(now);
  assert.deepEqual(client.state!.peers[0]!.endpoint, roamed, "it knows better where it is");
  await apply(180_020);
  assert.equal(endpoint(), V6, "as declared, of the family that answered");
  await apply(192_000);
  assert.equal(endpoint(), V4);
});

Deno.test("Device learns from a session that was there before it", async () => {
  const { apply, client, device, endpoint } = dual();
  await apply(0);
  const peer = {
    ...client.state!.peers[0]!,
    endpoint: { ip: parseIP("2001:db8::1")!, port: 51820 },
  };
  const successor = new Device([client]);
  client.state = { ...client.state!, peers: [{ ...peer, lastHandshake: 1, receivedBytes: 500 }] };
  device.invalidate();
  const { changed } = await successor.apply(
    { ...DESIRED, peers: [{ ...KEPT, endpoint: DUAL }] },
    { now: 1000 },
  );
  assert.deepEqual([changed, endpoint()], [0, V6]);
});
