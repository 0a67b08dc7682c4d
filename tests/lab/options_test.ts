import assert from "node:assert/strict";
import { isUp, ourRoutes, ourRules, wireGuardPeers } from "./kernel.ts";
import { Lab } from "./lab.ts";
import { mesh, podsReach } from "./mesh.ts";
import type { LabNode } from "./node.ts";
import { only, THREE_LOCATIONS } from "./world.ts";

Deno.test("--mesh-granularity full makes every node a leader", async () => {
  await using lab = await mesh(["berlin-1", "berlin-2", "tokyo-1"], {
    flags: ["--mesh-granularity=full"],
  });
  await lab.waitFor("pods reach each other", () => podsReach(lab.nodes));
  for (const [at, node] of lab.nodes.entries()) {
    assert.equal((await wireGuardPeers(node.namespace)).size, 2);
    await lab.waitFor(`${node.name} says so`, async () => {
      const status = await node.status();
      return status.granularity === "full" && status["wireguard-ip"] === `10.4.0.${at + 1}/16`;
    });
  }
});

Deno.test("--iptables-forward-rules lets pods through where FORWARD drops", async () => {
  await using lab = await mesh(["berlin-1", "tokyo-1"]);
  const [berlin] = lab.nodes as [LabNode, LabNode];
  await lab.waitFor("pods reach each other", () => podsReach(lab.nodes));
  await berlin.exec(["iptables-nft", "-P", "FORWARD", "DROP"]);
  assert.ok(!await podsReach(lab.nodes));
  await berlin.agent!.stop("SIGKILL");
  await berlin.startAgent({ flags: ["--iptables-forward-rules"] });
  await lab.waitFor("pods reach each other again", () => podsReach(lab.nodes));
});

Deno.test("--local=false leaves the location's own routes alone", async () => {
  await using lab = await Lab.create({
    world: only(THREE_LOCATIONS, ["berlin-1", "berlin-2", "tokyo-1"]),
  });
  const [berlin1, berlin2, tokyo] = lab.nodes as [LabNode, LabNode, LabNode];
  for (const node of lab.nodes) await node.startAgent({ flags: ["--local=false"] });
  const routesTo = async (node: LabNode, to: LabNode) =>
    (await ourRoutes(node.namespace)).filter((line) => line.startsWith(`${to.spec.podCIDR} `));
  await lab.waitFor("routes to the other location", async () =>
    !await isUp(berlin2.namespace) &&
    (await routesTo(berlin1, tokyo)).length === 1 &&
    (await routesTo(berlin2, tokyo)).length === 1 &&
    (await routesTo(tokyo, berlin2)).length === 1);
  assert.deepEqual(await routesTo(berlin1, berlin2), []);
  assert.deepEqual(await routesTo(berlin2, berlin1), []);
});

Deno.test("--compatibility=flannel follows Flannel's device as it comes and goes", async () => {
  await using lab = await Lab.create({ world: only(THREE_LOCATIONS, ["berlin-1", "berlin-2"]) });
  const flags = ["--compatibility=flannel", "--encapsulate=always"];
  for (const node of lab.nodes) await node.startAgent({ flags });
  const [node] = lab.nodes as [LabNode, LabNode];
  const tunnelled = async () =>
    (await ourRoutes(node.namespace)).filter((line) => line.includes(" dev flannel.1 "));
  const add = () =>
    node.exec("ip link add flannel.1 up type vxlan id 1 dev eth0 dstport 8472".split(" "));
  await lab.waitFor("its rules", async () => (await ourRules(node.namespace)).length === 2);
  assert.deepEqual(await tunnelled(), []);
  await add();
  await lab.waitFor("its routes", async () => (await tunnelled()).length === 2);
  await node.exec("ip link delete flannel.1".split(" "));
  await lab.waitFor("the kernel drops them", async () => (await tunnelled()).length === 0);
  await add();
  await lab.waitFor("they are back", async () => (await tunnelled()).length === 2);
});
