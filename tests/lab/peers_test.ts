import assert from "node:assert/strict";
import { ourRoutes, wireGuardPeers } from "./kernel.ts";
import { peerObject } from "./manifests.ts";
import { mesh, peersReach } from "./mesh.ts";
import { ping } from "./traffic.ts";

Deno.test("a Peer is added, changed and removed", async () => {
  await using lab = await mesh(["berlin-1", "berlin-2", "tokyo-1", "laptop"]);
  const laptop = lab.peer("laptop");
  const key = await laptop.publicKey();
  const [address] = laptop.spec.allowedIPs as [string];
  const allowed = (node: string) =>
    wireGuardPeers(lab.node(node).namespace).then((peers) => peers.get(key)?.allowedIPs);
  const routes = (node: string) => ourRoutes(lab.node(node).namespace);

  await lab.objects.put(peerObject(laptop.spec, key));
  await lab.waitFor("the laptop reaches all pods", () => peersReach(lab));
  assert.deepEqual(await allowed("berlin-1"), [address]);
  assert.deepEqual(await allowed("tokyo-1"), [address]);

  const allowedIPs = [address, "10.10.11.0/24"];
  await lab.objects.put(peerObject({ ...laptop.spec, allowedIPs }, key));
  await lab.waitFor("every node routes to what it gained", async () => {
    const all = await Promise.all(lab.nodes.map(({ name }) => routes(name)));
    return all.every((lines) => lines.some((line) => line.startsWith("10.10.11.0/24 ")));
  });
  assert.deepEqual(await allowed("tokyo-1"), allowedIPs);
  const { received } = await ping(laptop.namespace, lab.node("tokyo-1").podAddress, { count: 3 });
  assert.equal(received, 3, "what it has stays usable");

  await lab.objects.delete("Peer", "laptop");
  await lab.waitFor("nothing of it is left", async () => {
    const all = await Promise.all(lab.nodes.map(({ name }) => routes(name)));
    return !all.flat().some((line) => line.startsWith("10.10.")) &&
      await allowed("berlin-1") === undefined && await allowed("tokyo-1") === undefined;
  });
  const { received: after } = await ping(laptop.namespace, lab.node("tokyo-1").podAddress, {
    timeout: 0.3,
  });
  assert.equal(after, 0);
});
