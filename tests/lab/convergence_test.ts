import assert from "node:assert/strict";
import { Lab } from "./lab.ts";
import { peerObject } from "./manifests.ts";
import { mesh, peersReach, podsReach } from "./mesh.ts";

Deno.test("kg makes a mesh from nothing: all pods and the laptop reach all pods, sealed", async () => {
  await using lab = await Lab.create();
  for (const peer of lab.peers) {
    await lab.objects.put(peerObject(peer.spec, await peer.publicKey()));
  }
  const start = performance.now();
  await Promise.all(lab.nodes.map((node) => node.startAgent()));
  const pods = lab.waitFor("all pods reach each other", () => podsReach(lab.nodes));
  const peers = lab.waitFor("the laptop reaches all pods", () => peersReach(lab));
  await Promise.all([pods, peers]);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`measured: from nothing to every ping answered in ${seconds} s`);

  const { sealed, clear } = await lab.crossing();
  assert.ok(sealed.packets > 0);
  assert.deepEqual(clear, { packets: 0, bytes: 0 }, "nothing crosses the internet in clear");
  for (const node of lab.nodes) {
    assert.equal(node.agent?.stderr, "", node.name);
    const conflist = JSON.parse(
      await node.exec(["cat", "/etc/cni/net.d/10-kilo.conflist"]),
    );
    assert.deepEqual(conflist.plugins[0].ipam.ranges, [[{ subnet: node.spec.podCIDR }]]);
  }
});

Deno.test("kg publishes what others need to know of its node", async () => {
  await using lab = await mesh(["berlin-1", "berlin-2", "office-1"]);
  const address = async (name: string) => (await lab.node(name).status())["wireguard-ip"];
  await lab.waitFor(
    "the addresses of leaders",
    async () =>
      await address("berlin-1") === "10.4.0.1/16" && await address("berlin-2") === "" &&
      await address("office-1") === "10.4.0.2/16",
  );
  const berlin = lab.node("berlin-1");
  const status = await berlin.status();
  assert.equal(status.endpoint, "198.51.100.11:51820");
  assert.equal(status["internal-ip"], "10.1.0.11/24");
  assert.equal(status.granularity, "location");
  assert.equal(status.key, (await berlin.exec(["wg", "show", "kilo0", "public-key"])).trim());
  assert.ok(Math.abs(Number(status["last-seen"]) - Date.now() / 1000) < 30);
  const office = await lab.node("office-1").status();
  assert.equal(office.endpoint, "192.168.7.41:51820", "it knows of no other");
});
