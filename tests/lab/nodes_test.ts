import assert from "node:assert/strict";
import { isUp, ourRoutes, wireGuardPeers } from "./kernel.ts";
import type { Lab } from "./lab.ts";
import { nodeObject } from "./manifests.ts";
import { mesh, podsReach, stands } from "./mesh.ts";
import type { LabNode } from "./node.ts";

/** Names in the usual order, so that tests can take them apart. */
const TWO = ["berlin-1", "tokyo-1"];
const THREE = ["berlin-1", "berlin-2", "tokyo-1"];

/** Replaces a Node object by one with these annotations. */
async function annotate(lab: Lab, { spec }: LabNode, annotations: Record<string, string>) {
  await lab.objects.put(nodeObject(spec, annotations));
}

async function keyOf(node: LabNode): Promise<string> {
  return (await node.status()).key!;
}

async function hasRoute(node: LabNode, start: string): Promise<boolean> {
  return (await ourRoutes(node.namespace)).some((route) => route.startsWith(start));
}

Deno.test("a Node that is deleted leaves the mesh, and joins it when it is added again", async () => {
  await using lab = await mesh(THREE);
  const [berlin1, berlin2, tokyo] = lab.nodes as [LabNode, LabNode, LabNode];
  const rest = [berlin1, berlin2];
  await lab.objects.delete("Node", tokyo.name);
  await lab.waitFor(
    "its routes and its key are gone",
    async () =>
      !await hasRoute(berlin1, tokyo.spec.podCIDR) &&
      !await hasRoute(berlin2, tokyo.spec.podCIDR) &&
      (await wireGuardPeers(berlin1.namespace)).size === 0,
  );
  assert.ok(await stands(rest), "the others stay");
  await annotate(lab, tokyo, {});
  await lab.waitFor("it is a member again", () => stands(lab.nodes));
  await lab.waitFor("pods reach each other", () => podsReach(lab.nodes));
});

Deno.test("a node whose kg is told to stop leaves the mesh at once", async () => {
  await using lab = await mesh(TWO);
  const [berlin, tokyo] = lab.nodes as [LabNode, LabNode];
  const { code } = await berlin.agent!.stop();
  assert.equal(code, 0);
  await lab.waitFor(
    "the other one knows it no more",
    async () =>
      (await wireGuardPeers(tokyo.namespace)).size === 0 &&
      (await ourRoutes(tokyo.namespace)).length === 0,
  );
});

Deno.test("what people change on a Node is followed", async () => {
  await using lab = await mesh(TWO);
  const [berlin, tokyo] = lab.nodes as [LabNode, LabNode];
  const key = await keyOf(berlin);
  await annotate(lab, berlin, {
    "force-endpoint": "198.51.100.11:12345",
    "force-internal-ip": "10.1.0.99/24",
    "allowed-location-ips": "10.1.7.0/24",
  });
  await lab.waitFor(
    "the endpoint",
    async () =>
      (await wireGuardPeers(tokyo.namespace)).get(key)?.endpoint === "198.51.100.11:12345",
  );
  await lab.waitFor(
    "the routes",
    async () =>
      await hasRoute(tokyo, "10.1.0.99 via 10.4.0.1 dev kilo0") &&
      await hasRoute(tokyo, "10.1.7.0/24 via 10.4.0.1 dev kilo0") &&
      !await hasRoute(tokyo, "10.1.0.11 "),
  );
  const { allowedIPs } = (await wireGuardPeers(tokyo.namespace)).get(key)!;
  assert.deepEqual(allowedIPs.toSorted(), [
    "10.1.0.99/32",
    "10.1.7.0/24",
    "10.4.0.1/32",
    "10.42.1.0/24",
  ]);
});

Deno.test("the leader annotation moves the lead, and pods still reach each other", async () => {
  await using lab = await mesh(THREE);
  const [berlin1, berlin2, tokyo] = lab.nodes as [LabNode, LabNode, LabNode];
  assert.deepEqual([...(await wireGuardPeers(tokyo.namespace)).keys()], [await keyOf(berlin1)]);
  await annotate(lab, berlin2, { leader: "" });
  await lab.waitFor(
    "the other one leads",
    async () =>
      !await isUp(berlin1.namespace) && await isUp(berlin2.namespace) &&
      (await wireGuardPeers(tokyo.namespace)).has(await keyOf(berlin2)),
  );
  await lab.waitFor("it says so", async () =>
    (await berlin1.status())["wireguard-ip"] === "" &&
    (await berlin2.status())["wireguard-ip"] === "10.4.0.1/16");
  assert.equal((await wireGuardPeers(tokyo.namespace)).size, 1);
  assert.ok(await hasRoute(berlin1, `${tokyo.spec.podCIDR} via 10.1.0.12 dev eth0`));
  await lab.waitFor("pods reach each other", () => podsReach(lab.nodes));
});

Deno.test("a node that gets a location of its own leads that", async () => {
  await using lab = await mesh(THREE);
  const [berlin1, berlin2, tokyo] = lab.nodes as [LabNode, LabNode, LabNode];
  await lab.waitFor("it follows", async () => !await isUp(berlin2.namespace));
  await annotate(lab, berlin2, { location: "potsdam" });
  await lab.waitFor("everyone leads", async () => {
    const peers = await Promise.all(lab.nodes.map((node) => wireGuardPeers(node.namespace)));
    return peers.every(({ size }) => size === 2) && await isUp(berlin2.namespace);
  });
  await lab.waitFor(
    "routes lead into the tunnel",
    () => hasRoute(berlin1, `${berlin2.spec.podCIDR} via 10.4.0.2 dev kilo0`),
  );
  await lab.waitFor(
    "there is another one before this one by name",
    async () => (await tokyo.status())["wireguard-ip"] === "10.4.0.3/16",
  );
  await lab.waitFor("pods reach each other", () => podsReach(lab.nodes));
});
