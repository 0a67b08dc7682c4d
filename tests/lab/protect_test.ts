/** What a host keeps, whatever Nodes and Peers say: with the real program on real routing tables. */

import assert from "node:assert/strict";
import { onEachBackend } from "./backends.ts";
import { ask } from "./http.ts";
import { ourRoutes, wireGuardPeers } from "./kernel.ts";
import { Lab } from "./lab.ts";
import { nodeObject, type PeerManifest } from "./manifests.ts";
import { mesh, peersReach, podsReach } from "./mesh.ts";
import type { LabNode } from "./node.ts";
import { ping } from "./traffic.ts";
import { API_SERVER } from "./wiring.ts";
import { only, THREE_LOCATIONS, type World } from "./world.ts";
import { generatePrivateKey, publicKeyOf } from "../../src/wireguard/key.ts";
import type { Key } from "../../src/net/key.ts";

/** A Peer's address that nobody else has: where there is a route to it, the Peer is applied. */
const TAG = "10.99.99.99/32";

/** Adds a Peer with these allowed IPs and waits until all nodes have applied it; its key. */
async function addPeer(
  lab: Lab,
  allowedIPs: readonly string[],
  spec: PeerManifest["spec"] = {},
): Promise<Key> {
  const publicKey = await publicKeyOf(generatePrivateKey());
  await lab.objects.put({
    apiVersion: "kilo.squat.ai/v1alpha1",
    kind: "Peer",
    metadata: { name: "office" },
    spec: { publicKey, ...spec, allowedIPs: [...allowedIPs, TAG] },
  });
  await lab.waitFor("the Peer is applied", async () => {
    const all = await Promise.all(lab.nodes.map(({ namespace }) => ourRoutes(namespace)));
    return all.every((routes) => routes.some((line) => line.startsWith("10.99.99.99 ")));
  });
  return publicKey;
}

async function annotate(lab: Lab, name: string, annotations: Record<string, string>) {
  await lab.objects.put(nodeObject(lab.node(name).spec, annotations));
}

/** The device a packet to that address leaves by, and the gateway it goes to. */
async function wayTo(node: LabNode, address: string): Promise<string> {
  const text = await node.exec(["ip", "-o", "route", "get", address]);
  const [, via = ""] = /( via \S+)/.exec(text) ?? [];
  const [, device] = / dev (\S+)/.exec(text) ?? [];
  return `${device}${via}`;
}

async function answers(node: LabNode, address: string): Promise<boolean> {
  return (await ping(node.namespace, address)).received > 0;
}

async function assertAnswers(nodes: readonly LabNode[], addresses: readonly string[]) {
  for (const node of nodes) {
    for (const address of addresses) {
      if (node.spec.addresses.some((own) => own.startsWith(`${address}/`))) continue;
      assert.ok(await answers(node, address), `${node.name} gets no answer from ${address}`);
    }
  }
}

/** The warnings that `/health` shows, once one of them holds all these words. */
async function waitForWarning(lab: Lab, node: LabNode, ...words: string[]): Promise<string[]> {
  return await lab.waitFor(`${node.name} warns of ${words.join(" ")}`, async () => {
    const { body } = await ask(node.namespace, "/health");
    const { warnings } = JSON.parse(body) as { warnings: { text: string }[] };
    const texts = warnings.map(({ text }) => text);
    return texts.some((text) => words.every((word) => text.includes(word))) ? texts : undefined;
  });
}

Deno.test("a host keeps its LAN and its default route, whatever a Peer claims", async () => {
  await using lab = await mesh(["berlin-1", "berlin-2", "tokyo-1"]);
  const [leader, follower, tokyo] = lab.nodes as [LabNode, LabNode, LabNode];
  const halves = ["0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "2000::/3"];
  const lan = ["10.1.0.0/24", "198.51.100.0/24", "10.1.0.8/29", "198.51.100.1/32", "10.1.0.12/32"];
  const key = await addPeer(lab, [...halves, ...lan, "10.1.0.192/28"]);

  await assertAnswers([leader, follower], [
    ...["10.1.0.1", "10.1.0.11", "10.1.0.12", "198.51.100.1", "198.51.100.11", "198.51.100.12"],
    API_SERVER,
  ]);
  await assertAnswers([leader], ["203.0.113.31"]);
  await assertAnswers([tokyo], ["203.0.113.1", "198.51.100.11", API_SERVER]);
  await lab.waitFor("pods reach each other", () => podsReach(lab.nodes));
  for (const node of lab.nodes) {
    assert.ok(await node.pings(API_SERVER), `the pod of ${node.name} reaches the world`);
  }
  for (const node of [leader, tokyo]) {
    const { allowedIPs } = (await wireGuardPeers(node.namespace)).get(key)!;
    assert.deepEqual(halves.filter((wide) => !allowedIPs.includes(wide)), [], "WireGuard takes it");
  }
  assert.equal(await wayTo(leader, "10.1.0.200"), "kilo0", "another part of the LAN");
  assert.equal(await wayTo(follower, "10.1.0.200"), "eth0 via 10.1.0.11");
  for (const node of [leader, follower]) {
    const texts = await waitForWarning(lab, node, "Peer office: 10.1.0.0/24", "eth0");
    for (const network of [...halves, ...lan]) {
      assert.equal(
        texts.filter((text) => text.includes(`Peer office: ${network} `)).length,
        1,
        `${network}: ${texts.join("\n")}`,
      );
    }
  }
});

Deno.test("encrypted packets do not enter the tunnel that their own endpoint is routed to", async () => {
  await using lab = await mesh(["berlin-1", "berlin-2", "tokyo-1"]);
  const [leader, follower, tokyo] = lab.nodes as [LabNode, LabNode, LabNode];
  await annotate(lab, "tokyo-1", { "allowed-location-ips": "203.0.113.0/24" });
  const routed = async () => await wayTo(leader, "203.0.113.1") === "kilo0 via 10.4.0.2";
  await lab.waitFor("the rest is routed to tokyo", routed);
  assert.equal(await wayTo(leader, "203.0.113.31"), "eth0 via 198.51.100.1");
  assert.equal(await wayTo(follower, "203.0.113.31"), "eth0 via 198.51.100.1");
  // A new session takes handshakes, whose way nobody remembers.
  await tokyo.agent!.stop("SIGKILL");
  await tokyo.exec(["ip", "link", "set", "kilo0", "down"]);
  await tokyo.startAgent();
  await lab.waitFor("pods reach each other", () => podsReach(lab.nodes));
  const { clear } = await lab.crossing();
  await assertAnswers([leader, follower], ["203.0.113.1"]);
  assert.deepEqual((await lab.crossing()).clear, clear, "the router of tokyo through the tunnel");
  await waitForWarning(lab, leader, "node tokyo-1: 203.0.113.0/24", "203.0.113.31");

  // Another gateway, and somebody who removes the route.
  await lab.machine("berlin-router").exec(["ip", "addr", "add", "198.51.100.2/24", "dev", "lan"]);
  await leader.exec(["ip", "route", "replace", "default", "via", "198.51.100.2"]);
  await lab.waitFor(
    "the endpoint is reached by the new gateway",
    async () => await wayTo(leader, "203.0.113.31") === "eth0 via 198.51.100.2",
  );
  await leader.exec(["ip", "route", "del", "203.0.113.31"]);
  await lab.waitFor(
    "the route is back",
    async () => await wayTo(leader, "203.0.113.31") === "eth0 via 198.51.100.2",
  );
  assert.ok(await podsReach(lab.nodes));
  await leader.agent!.stop("SIGKILL");
  await leader.runKg(["clean-up"]);
  assert.deepEqual(await ourRoutes(leader.namespace), []);
});

Deno.test("a host keeps what only a route puts on link, and its default route of whatever origin", async () => {
  await using lab = await mesh(["berlin-1", "berlin-2", "tokyo-1"], {
    setUp: async (lab) => {
      for (const node of lab.nodes.slice(0, 2)) {
        const [, gateway] = / via (\S+)/.exec(await node.exec(["ip", "route", "show", "default"]))!;
        const routes = `ip route replace default via ${gateway} proto bird
          ip addr add 172.30.0.5/32 dev eth0
          ip route add 172.30.0.0/24 dev eth0 proto static`;
        await node.exec(["sh", "-ec", routes]);
      }
    },
  });
  const [leader, follower] = lab.nodes as [LabNode, LabNode, LabNode];
  await annotate(lab, "tokyo-1", { "allowed-location-ips": "203.0.113.0/24" });
  await addPeer(lab, ["172.30.0.0/24", "172.31.0.0/24"]);
  await lab.waitFor(
    "the rest of tokyo's is routed",
    async () => await wayTo(leader, "203.0.113.1") === "kilo0 via 10.4.0.2",
  );
  for (const node of [leader, follower]) {
    assert.equal(await wayTo(node, "172.30.0.9"), "eth0");
    assert.equal(await wayTo(node, "203.0.113.31"), "eth0 via 198.51.100.1");
    await waitForWarning(lab, node, "Peer office: 172.30.0.0/24", "eth0");
    await node.exec(["ip", "route", "append", "172.31.0.0/24", "dev", "eth0"]);
    await lab.waitFor(
      "what comes on link is kept",
      async () => await wayTo(node, "172.31.0.9") === "eth0",
      { timeout: 10_000 },
    );
  }
});

Deno.test("a Peer is reached at an endpoint inside its own allowed IPs", async () => {
  await using lab = await mesh(["berlin-1", "berlin-2", "tokyo-1", "laptop"]);
  const laptop = lab.peer("laptop");
  await lab.objects.put({
    apiVersion: "kilo.squat.ai/v1alpha1",
    kind: "Peer",
    metadata: { name: "laptop" },
    spec: {
      publicKey: await laptop.publicKey(),
      allowedIPs: [...laptop.spec.allowedIPs, "192.0.2.192/28"],
      endpoint: { dnsOrIP: { ip: "192.0.2.200" }, port: 51820 },
    },
  });
  await lab.waitFor("the laptop reaches all pods", () => peersReach(lab));
  for (const { namespace } of [lab.node("berlin-1"), lab.node("tokyo-1")]) {
    assert.ok((await ping(namespace, laptop.spec.allowedIPs[0]!.split("/")[0]!)).received > 0);
  }
  assert.equal(await wayTo(lab.node("berlin-1"), "192.0.2.200"), "eth0 via 198.51.100.1");
  assert.equal(await wayTo(lab.node("berlin-1"), "192.0.2.201"), "kilo0");
});

Deno.test("a location keeps its LAN when another declares the same network", async () => {
  await using lab = await mesh(["berlin-1", "berlin-2", "tokyo-1", "office-1"]);
  const [leader, follower, , office] = lab.nodes as [LabNode, LabNode, LabNode, LabNode];
  await annotate(lab, "tokyo-1", { "allowed-location-ips": "10.1.0.0/24" });
  const { namespace } = office;
  await lab.waitFor(
    "others reach tokyo's",
    async () => (await ourRoutes(namespace)).some((line) => line.startsWith("10.1.0.0/24 ")),
  );
  assert.match(await wayTo(office, "10.1.0.1"), /^kilo0 /);
  await assertAnswers([leader, follower], ["10.1.0.1", "10.1.0.11", "10.1.0.12"]);
  for (const node of [leader, follower]) {
    assert.equal(await wayTo(node, "10.1.0.77"), "eth0");
    await waitForWarning(lab, node, "node tokyo-1: 10.1.0.0/24", "eth0");
  }
});

/** Tokyo's private network is as berlin's: both have a 10.1.0.12. */
const TWO_HOMES: World = {
  ...THREE_LOCATIONS,
  sites: THREE_LOCATIONS.sites.map((site) =>
    site.name === "tokyo" ? { ...site, gateway: ["203.0.113.1/24", "10.1.0.1/24"] } : site
  ),
  nodes: THREE_LOCATIONS.nodes.map((node) =>
    node.name === "tokyo-1" ? { ...node, addresses: ["203.0.113.31/24", "10.1.0.12/24"] } : node
  ),
};

Deno.test("an address of two nodes is the neighbour's, and both are named", async () => {
  await using lab = await mesh(["berlin-1", "berlin-2", "tokyo-1"], { world: TWO_HOMES });
  const [leader, follower, tokyo] = lab.nodes as [LabNode, LabNode, LabNode];
  await lab.waitFor("pods reach each other", () => podsReach(lab.nodes));
  assert.equal(await wayTo(leader, "10.1.0.12"), "eth0");
  const [, mac] = /link\/ether (\S+)/.exec(await follower.exec(["ip", "link", "show", "eth0"]))!;
  assert.ok(await answers(leader, "10.1.0.12"));
  const neighbour = await leader.exec(["ip", "neighbour", "show", "10.1.0.12", "dev", "eth0"]);
  assert.ok(neighbour.includes(mac!), neighbour);
  for (const node of [leader, tokyo]) {
    const other = node === leader ? "tokyo-1" : "berlin-2";
    await waitForWarning(lab, node, `node ${other}`, "10.1.0.12");
  }
});

/** A Node that was forgotten when another got its pods' network. */
const ONE_POD_CIDR: World = {
  ...THREE_LOCATIONS,
  nodes: THREE_LOCATIONS.nodes.map((node) =>
    node.name === "tokyo-1" ? { ...node, podCIDR: "10.42.1.0/24" } : node
  ),
};

Deno.test("pods stay on their bridge when another node has their network", async () => {
  await using lab = await Lab.create({
    world: only(ONE_POD_CIDR, ["berlin-1", "berlin-2", "tokyo-1"]),
  });
  const [first, neighbour, twin] = lab.nodes as [LabNode, LabNode, LabNode];
  await lab.objects.put({ // n.b. the younger one
    ...nodeObject(twin.spec),
    metadata: { ...nodeObject(twin.spec).metadata, creationTimestamp: "2024-05-01T00:00:00Z" },
  });
  await Promise.all(lab.nodes.map((node) => node.startAgent()));
  for (const node of lab.nodes) {
    await waitForWarning(lab, node, "node berlin-1", "node tokyo-1", "10.42.1.0/24");
  }
  for (const node of [first, twin]) assert.equal(await wayTo(node, "10.42.1.2"), "kube-bridge");
  const routes = await ourRoutes(neighbour.namespace);
  assert.equal(routes.filter((line) => line.startsWith("10.42.1.0/24 ")).length, 1);
});

Deno.test("what a node has stays the node's when a Peer claims it", async () => {
  await using lab = await mesh(["berlin-1", "berlin-2", "tokyo-1"]);
  const [leader, , tokyo] = lab.nodes as [LabNode, LabNode, LabNode];
  const claims = [
    ...["10.42.3.0/24", "10.42.3.0/25", "10.42.1.2/32", "10.4.0.1/32", "10.4.0.2/32"],
    ...["10.2.0.31/32", "10.1.0.12/32"],
  ];
  const key = await addPeer(lab, [...claims, "10.42.0.0/16"]);
  await lab.waitFor("pods reach each other", () => podsReach(lab.nodes));
  for (const node of [leader, tokyo]) {
    const { allowedIPs } = (await wireGuardPeers(node.namespace)).get(key)!;
    assert.deepEqual(allowedIPs.toSorted(), ["10.42.0.0/16", TAG]);
  }
  assert.ok(await answers(tokyo, "10.1.0.12"), "an internal address through the mesh");
  const texts = await waitForWarning(lab, leader, "Peer office: 10.42.3.0/24", "node tokyo-1");
  assert.equal(texts.filter((text) => text.startsWith("Peer office: ")).length, claims.length);
});

onEachBackend("servers stay reachable the way they are", async (_, backend) => {
  await using lab = await mesh(["berlin-1", "berlin-2", "tokyo-1"], {
    backend,
    setUp: async (lab) => {
      const resolvers = `nameserver 127.0.0.1\nnameserver ${API_SERVER}\n`;
      for (const node of lab.nodes) {
        await node.exec(["sh", "-c", "cat >/etc/resolv.conf"], resolvers);
      }
    },
  });
  await addPeer(lab, ["192.0.2.0/25", `${API_SERVER}/32`]);
  for (const node of lab.nodes) {
    assert.match(await wayTo(node, API_SERVER), /^eth0 via /);
    assert.match(
      await wayTo(node, "192.0.2.99"),
      node.name === "berlin-2" ? /^eth0 via 10/ : /^kilo0/,
    );
    assert.ok(await answers(node, API_SERVER));
    const role = backend.name === "kubernetes" ? "API server" : "name server";
    await waitForWarning(lab, node, "Peer office: 192.0.2.0/25", `${role} ${API_SERVER}`);
  }
  // The next agent finds routes that contain the servers, and the ways around them.
  for (const node of lab.nodes) {
    await node.agent!.stop("SIGKILL");
    await node.startAgent();
    await waitForWarning(lab, node, "Peer office: 192.0.2.0/25", API_SERVER);
    assert.match(await wayTo(node, API_SERVER), /^eth0 via /);
    assert.ok(await answers(node, API_SERVER));
  }
  // Who could not reach the API server would not hear of it.
  await lab.objects.delete("Peer", "office");
  await lab.waitFor("the Peer is gone", async () => {
    const all = await Promise.all(lab.nodes.map(({ namespace }) => ourRoutes(namespace)));
    return !all.flat().some((line) => /^(10\.99|192\.0\.2)\./.test(line));
  });
});
