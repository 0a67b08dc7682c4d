/** Encrypted packets on a kernel's own WireGuard, beside routes that would take them into the tunnel. */

import assert from "node:assert/strict";
import { nodeObject } from "../lab/manifests.ts";
import type { NodeSpec } from "../lab/world.ts";
import { generatePresharedKey } from "../../src/wireguard/key.ts";
import { type Guest, type GuestNode, type GuestWorld, peer } from "./guests.ts";
import { wgShow } from "./observe.ts";

/**
 * A Peer with all addresses there are, and a location (tokyo, the third node) whose own endpoint is in
 * what it declares.
 */
export async function endpointsStayOutside(world: GuestWorld, spec: NodeSpec): Promise<void> {
  const [berlin1, berlin2, tokyo] = world.nodes as readonly [GuestNode, GuestNode, GuestNode];
  const publicKey = generatePresharedKey();
  const everything = ["0.0.0.0/0", "10.7.9.9/32", "2000::/3"];
  const exit = peer("exit", { publicKey, allowedIPs: everything });
  // One after the other: a location may not declare what a Peer has.
  await world.put(nodeObject(spec, { "allowed-location-ips": "203.0.113.0/24" }));
  await world.waitFor("tokyo's network is routed", () => leadsTo(berlin1, "203.0.113.1", "kilo0"));
  await endpointsAreOutside([berlin1, berlin2]);
  // Who has lost its peer must shake hands again.
  const { key } = await wgShow(berlin1);
  await tokyo.script(`wg set kilo0 peer ${key} remove`);
  await world.waitFor("tokyo has reset it", async () => {
    return (await wgShow(tokyo)).peers.find((one) => one.key === key)?.session.handshake;
  });
  await world.waitFor("pods reach each other", () => berlin2.pod.pings("10.42.3.2", { count: 3 }));
  assert.ok(await berlin1.pings("203.0.113.1", { count: 3 }), "tokyo's router, in the tunnel");

  await world.put(nodeObject(spec));
  await world.put(exit);
  await world.waitFor("the Peer is applied", () => leadsTo(berlin1, "10.7.9.9", "kilo0"));
  const { peers } = await wgShow(berlin1);
  const found = peers.find((one) => one.key === publicKey);
  assert.deepEqual(found?.allowedIPs, everything, "WireGuard takes what it sends");
  await endpointsAreOutside([berlin1, berlin2]);
  assert.ok(await berlin2.pod.pings("10.42.3.2", { count: 3 }));

  await world.delete(exit);
  await world.waitFor("both are gone", async () => {
    const ours = await berlin1.script("ip -4 route show proto 107");
    return !/203\.0\.113|10\.7\.9\.9/.test(ours);
  });
}

/** So are the router, and everything else that the mesh has no business with. */
async function endpointsAreOutside(nodes: readonly Guest[]): Promise<void> {
  for (const node of nodes) {
    for (const address of ["203.0.113.31", "192.0.2.77", "198.51.100.1", "10.1.0.1"]) {
      assert.ok(await leadsTo(node, address, "eth0"), `${node.name} to ${address}`);
    }
  }
}

async function leadsTo(node: Guest, address: string, device: string): Promise<boolean> {
  return (await node.script(`ip route get ${address}`)).includes(` dev ${device} `);
}
