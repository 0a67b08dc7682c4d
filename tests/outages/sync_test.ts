/** A directory that is synced between machines is so no longer, while all tunnels work. */

import assert from "node:assert/strict";
import { assertUnharmed, count } from "../faults/fault.ts";
import { ourRoutes } from "../lab/kernel.ts";
import { addPeer, mesh, stands } from "../lab/mesh.ts";
import type { LabNode } from "../lab/node.ts";

Deno.test("a sync that stops removes nobody, and a node that stops alone leaves", async () => {
  await using lab = await mesh(["berlin-1", "tokyo-1", "office-1"]);
  const [node, tokyo, office] = lab.nodes as [LabNode, LabNode, LabNode];
  const has = async ({ spec }: LabNode) =>
    (await ourRoutes(node.namespace)).some((route) => route.startsWith(`${spec.podCIDR} `));

  // What berlin-1 sees from now on is a copy, in which only its own status changes.
  const { directory } = lab.manifests;
  await node.namespace.script(`cp -a ${directory} /run/copy; mount --bind /run/copy ${directory}`);
  await lab.waitFor(
    "it is told of",
    () => count(node, /no other node's status has changed for 60 s/) > 0,
    { timeout: 150_000 },
  );
  assert(await has(tokyo) && await has(office));
  assert.deepEqual(node.agent!.log.filter(({ msg }) => msg.includes("no longer checks in")), []);
  await node.namespace.script(`umount ${directory}`);
  await addPeer(lab, "10.10.77.0/24", { timeout: 60_000 });
  // To the others it was silent alone, and had to leave.
  await lab.waitFor("the mesh stands", () => stands(lab.nodes), { timeout: 60_000 });
  await assertUnharmed(lab);

  await tokyo.agent!.stop("SIGKILL");
  const start = performance.now();
  await lab.waitFor("it leaves", async () => !await has(tokyo), {
    timeout: 150_000,
  });
  const seconds = Math.round((performance.now() - start) / 1000);
  console.log(`measured: a node that died alone left after ${seconds} s`);
  assert(seconds >= 30 && seconds <= 105, `${seconds} s`);
  assert(await has(office));
});
