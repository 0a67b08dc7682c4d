/** Encrypted packets on a kernel's own WireGuard, beside routes that would take them into the tunnel. */

import assert from "node:assert/strict";
import { nodeObject, type PeerManifest } from "../lab/manifests.ts";
import type { NodeSpec } from "../lab/world.ts";
import { generatePresharedKey } from "../../src/wireguard/key.ts";
import type { Guest, GuestNode, GuestWorld } from "./guests.ts";
import { wgShow } from "./observe.ts";

/**
 * A Peer with all addresses there are, and a location (tokyo, the third node) whose own endpoint is in
 * what it declares.
 */
export async function endpointsStayOutside(world: GuestWorld, spec: NodeSpec): Promise<void> {
  const [berlin1, berlin2, tokyo] = world.nodes as readonly [GuestNode, GuestNode, GuestNode];
  const everything = ["0.0.0.0/0", "2000::/3", "10.7.9.9/32"];
  const publicKey = generatePresharedKey();
  const exit: PeerManifest = {
    ...{ apiVersion: "kilo.squat.ai/v1alpha1", kind: "Peer" },
    metadata: { name: "exit" },
    spec: { publicKey, allowedIPs: everything },
  };
  await world.put(exit);
  await world.put(nodeObject(spec, { "allowed-location-ips": "203.0.113.0/24" }));
  const wayTo = async (node: Guest, address: string) =>
    /dev (\S+)/.exec(await node.script(`ip route get ${address}`))?.[1];
  await world.waitFor("both are applied", async () => {
    const ways = ["203.0.113.1", "10.7.9.9"].map((address) => wayTo(berlin1, address));
    return (await Promise.all(ways)).join() === "kilo0,kilo0";
  });
  const { peers } = await wgShow(berlin1);
  const found = peers.find(({ key }) => key === publicKey);
  assert.deepEqual(found?.allowedIPs, everything.toSorted(), "WireGuard takes what it sends");
  for (const node of [berlin1, berlin2]) {
    for (const address of ["203.0.113.31", "192.0.2.77", "10.1.0.1"]) {
      assert.equal(await wayTo(node, address), "eth0", `${node.name} to ${address}`);
    }
  }
  // Who has lost its peer must shake hands again.
  const { key } = await wgShow(berlin1);
  await tokyo.script(`wg set kilo0 peer ${key} remove`);
  await world.waitFor("tokyo has made it anew", async () => {
    return (await wgShow(tokyo)).peers.find((one) => one.key === key)?.session.handshake;
  });
  await world.waitFor("pods reach each other", () => berlin2.pod.pings("10.42.3.2", { count: 3 }));
  assert.ok(await berlin1.pings("203.0.113.1", { count: 3 }), "tokyo's router, in the tunnel");
  await world.delete(exit);
  await world.put(nodeObject(spec));
  await world.waitFor("both are gone", async () => {
    const ours = await berlin1.script("ip -4 route show proto 107");
    return !/203\.0\.113|10\.7\.9\.9/.test(ours);
  });
}
