import assert from "node:assert/strict";
import { ourRoutes, wireGuardPeers } from "./kernel.ts";
import { Lab } from "./lab.ts";
import { peerObject } from "./manifests.ts";
import { mesh, peersReach, podsReach, stands } from "./mesh.ts";
import type { LabNode } from "./node.ts";
import { ping } from "./traffic.ts";
import { only, THREE_LOCATIONS } from "./world.ts";

Deno.test("where nodes find one behind NAT, and a laptop, others learn from them", async () => {
  const names = ["berlin-1", "tokyo-1", "office-1", "laptop"];
  await using lab = await Lab.create({ world: only(THREE_LOCATIONS, names) });
  const [berlin, tokyo, office] = lab.nodes as [LabNode, LabNode, LabNode];
  const laptop = lab.peer("laptop");
  await lab.objects.put(peerObject(laptop.spec, await laptop.publicKey()));
  await Promise.all([berlin.startAgent(), office.startAgent()]);
  await lab.waitFor("pods reach each other", () => podsReach([berlin, office]));
  const { key } = await office.status();
  const endpoint = (await wireGuardPeers(berlin.namespace)).get(key!)!.endpoint!;
  assert.match(endpoint, /^192\.0\.2\.\d+:\d+$/, "that of the office's router");
  const discovered = async () =>
    JSON.parse((await berlin.status())["discovered-endpoints"] || "{}") as Record<
      string,
      { IP: string; Port: number }
    >;
  await lab.waitFor("it is published", async () => {
    const { IP, Port } = (await discovered())[key!]!;
    return `${IP}:${Port}` === endpoint;
  });

  // Now nobody but berlin-1 can tell where the office is.
  await office.agent!.stop("SIGKILL");
  await office.exec(["ip", "link", "set", "kilo0", "down"]);
  await tokyo.startAgent();
  await lab.waitFor("the third node has its routes", () => stands([tokyo, berlin]));
  const seen = (await wireGuardPeers(tokyo.namespace)).get(key!)!;
  assert.deepEqual(seen.endpoint, endpoint);
  assert.equal(seen.latestHandshake, 0);
  await office.startAgent();
  await lab.waitFor("pods reach each other", () => podsReach(lab.nodes));

  await lab.waitFor("the laptop reaches all pods", () => peersReach(lab));
  const laptopKey = await laptop.publicKey();
  await lab.waitFor(
    "where the laptop is",
    async () => (await discovered())[laptopKey]?.IP === "192.0.2.200",
  );
});

Deno.test("a node behind NAT shakes hands with a laptop as soon as others know where it is", async () => {
  await using lab = await mesh(["berlin-1", "office-1", "laptop"]);
  const laptop = lab.peer("laptop");
  await lab.objects.put(peerObject(laptop.spec, await laptop.publicKey()));
  const start = performance.now();
  await lab.waitFor("the laptop reaches all pods", () => peersReach(lab));
  const time = Math.round(performance.now() - start);
  console.log(`measured: a laptop reaches a node behind NAT ${time} ms after it became a Peer`);
  assert.ok(time < 4000, "WireGuard alone tries again after 5 s");
});

Deno.test("a laptop that is set up a while after it became a Peer is seen soon, too", async () => {
  await using lab = await mesh(["berlin-1", "office-1", "laptop"]);
  const laptop = lab.peer("laptop");
  await lab.objects.put(peerObject(laptop.spec, await laptop.publicKey()));
  const later = performance.now() + 1200; // as on a busy machine, where each step takes its time
  await lab.waitFor("the first handshake could have been seen", () => performance.now() > later);
  const start = performance.now();
  await lab.waitFor("the laptop reaches all pods", () => peersReach(lab));
  const time = Math.round(performance.now() - start);
  console.log(`measured: a laptop that came late reaches a node behind NAT after ${time} ms`);
  assert.ok(time < 4000, "a leader polled its device once, and then after 5 s");
});

Deno.test("the internal address of a node behind NAT without keepalive is routed where it is heard of", async () => {
  const named = only(THREE_LOCATIONS, ["berlin-1", "office-1"]);
  const nodes = named.nodes.map((node) => ({ ...node, annotations: {} }));
  await using lab = await mesh(["berlin-1", "office-1"], { world: { ...named, nodes } });
  const [berlin, office] = lab.nodes as [LabNode, LabNode];
  assert.equal((await office.status()).endpoint, "192.168.7.41:51820", "nobody finds it there");
  await lab.waitFor("its pod reaches berlin's", () => office.pings(berlin));
  const isRouted = async () =>
    (await ourRoutes(berlin.namespace)).some((route) => route.startsWith("192.168.7.41 "));
  await lab.waitFor("its internal address is routed", isRouted);
  await lab.waitFor("berlin's pod reaches it there", () => berlin.pings("192.168.7.41"));
  const { key } = await office.status();
  const { endpoint } = (await wireGuardPeers(berlin.namespace)).get(key!)!;
  assert.match(endpoint!, /^192\.0\.2\.\d+:\d+$/, "that of the office's router");
  const changes = berlin.agent!.log.length;
  const count = 120;
  const { received } = await ping(berlin.pod, "192.168.7.41", { count, interval: 0.1 });
  assert.equal(received, count, "the route stays as it is, over more than two looks at the device");
  assert.deepEqual(berlin.agent!.log.slice(changes), []);
});
