import assert from "node:assert/strict";
import { wireGuardPeers } from "./kernel.ts";
import { peerObject } from "./manifests.ts";
import { mesh, peersReach, podsReach } from "./mesh.ts";
import type { LabNode } from "./node.ts";
import type { World } from "./world.ts";

/** Nothing but IPv6: three nodes and a laptop on one LAN, two of the nodes in one location. */
const IPV6: World = {
  sites: [{ name: "lan", gateway: ["fd00:1::1/64"] }],
  nodes: [
    node("a", { location: "east", number: 11 }),
    node("b", { location: "east", number: 12 }),
    node("c", { location: "west", number: 13 }),
  ],
  peers: [{
    name: "laptop",
    site: "lan",
    addresses: ["fd00:1::99/64"],
    allowedIPs: ["fd00:10::10/128"],
    persistentKeepalive: 5,
  }],
};

function node(name: string, { location, number }: { location: string; number: number }) {
  const addresses = [`fd00:1::${number}/64`];
  return { name, site: "lan", location, addresses, podCIDR: `fd00:42:${number}::/64` };
}

Deno.test("a mesh of nothing but IPv6", async () => {
  await using lab = await mesh(["a", "b", "c", "laptop"], {
    world: IPV6,
    flags: ["--subnet=fd00:4::/112"],
  });
  const [a, , c] = lab.nodes as [LabNode, LabNode, LabNode];
  const laptop = lab.peer("laptop");
  const key = await laptop.publicKey();
  await lab.objects.put(peerObject(laptop.spec, key));
  await lab.waitFor("all pods reach each other", () => podsReach(lab.nodes));
  await lab.waitFor("the laptop reaches all pods", () => peersReach(lab));

  await lab.waitFor("a is annotated as leader", async () => (await a.status())["wireguard-ip"]);
  const status = await a.status();
  assert.equal(status.endpoint, "[fd00:1::11]:51820");
  assert.equal(status["internal-ip"], "fd00:1::11/64");
  assert.equal(status["wireguard-ip"], "fd00:4::1/112");
  const peers = await wireGuardPeers(c.namespace);
  assert.equal(peers.get(status.key!)?.endpoint, "[fd00:1::11]:51820");
  assert.deepEqual(peers.get(key)?.allowedIPs, ["fd00:10::10/128"]);
  const { agent } = a;
  assert.deepEqual(agent!.log.filter(({ level }) => level !== "info"), []);
});
