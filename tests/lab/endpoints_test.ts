/** Endpoints that are not where packets come from, and names with addresses of both families. */

import assert from "node:assert/strict";
import type { Lab } from "./lab.ts";
import { wireGuardPeers } from "./kernel.ts";
import { peerObject } from "./manifests.ts";
import { mesh, peersReach, podsReach } from "./mesh.ts";
import type { LabNode } from "./node.ts";
import { ping } from "./traffic.ts";
import type { World } from "./world.ts";

/** Milliseconds between packets, and how many: over more than two looks at the device, 5 s apart. */
const INTERVAL = 100;
const COUNT = 120;

/** How many of the packets from this node's pod to an address are lost. */
async function lost(from: LabNode, to: string): Promise<number> {
  const options = { count: COUNT, interval: INTERVAL / 1000, timeout: 2 };
  const { sent, received } = await ping(from.pod, to, options);
  return sent - received;
}

/** One LAN; node a is named with an address of each family, b has only IPv6, c only IPv4. */
const DUAL: World = {
  sites: [{ name: "lan", gateway: ["198.51.100.1/24", "fd00:1::1/64"] }],
  nodes: [
    node("a", ["198.51.100.11/24", "fd00:1::11/64"], { "force-endpoint": "a.example:51820" }),
    node("b", ["fd00:1::12/64"]),
    node("c", ["198.51.100.13/24"]),
    node("d", ["198.51.100.14/24", "fd00:1::14/64"]),
  ],
  peers: [],
};

function node(name: string, addresses: readonly string[], annotations = {}) {
  const number = name.charCodeAt(0) - 96;
  const podCIDR = `10.42.${number}.0/24`;
  return { name, site: "lan", location: name, addresses, podCIDR, annotations };
}

/** The endpoint that a node has for another. */
async function endpointAt(lab: Lab, at: string, of: string): Promise<string | undefined> {
  const { key } = await lab.node(of).status();
  return (await wireGuardPeers(lab.node(at).namespace)).get(key!)?.endpoint;
}

Deno.test("a name with addresses of both families serves nodes that have only one of them", async () => {
  const hosts = "198.51.100.11 a.example\nfd00:1::11 a.example\n";
  await using lab = await mesh(["a", "b", "c", "d"], {
    world: DUAL,
    setUp: async (lab) => {
      for (const { namespace } of lab.nodes) {
        await namespace.exec(["sh", "-c", "cat >>/etc/hosts"], hosts);
      }
      // The way by IPv4 exists, and nothing arrives: neither here nor there.
      const filter = "table ip filter { chain in { type filter hook input priority 0; " +
        "ip saddr { 198.51.100.11, 198.51.100.14 } udp dport 51820 drop; }; }";
      for (const name of ["a", "d"]) await lab.node(name).exec(["nft", "-f", "-"], filter);
    },
  });
  const [a, b, c, d] = lab.nodes as [LabNode, LabNode, LabNode, LabNode];
  // b and c have no address of a common family.
  const reach = () => Promise.all([b, c, d].map((other) => podsReach([a, other])));
  await lab.waitFor("all pods reach a's", async () => (await reach()).every(Boolean));
  assert.deepEqual(await Promise.all([b, c, d].map((from) => lost(from, a.podAddress))), [0, 0, 0]);
  assert.deepEqual(await Promise.all(["b", "c", "d"].map((at) => endpointAt(lab, at, "a"))), [
    "[fd00:1::11]:51820",
    "198.51.100.11:51820",
    "[fd00:1::11]:51820",
  ]);
});

Deno.test("a Peer that does not talk from where it is declared keeps its tunnel", async () => {
  await using lab = await mesh(["berlin-1", "laptop"]);
  const [berlin] = lab.nodes as [LabNode];
  const laptop = lab.peer("laptop");
  const object = peerObject({ ...laptop.spec, persistentKeepalive: 0 }, await laptop.publicKey());
  const endpoint = (port: number) => ({
    ...object,
    spec: { ...object.spec, endpoint: { dnsOrIP: { ip: "192.0.2.200" }, port } },
  });
  await lab.objects.put(endpoint(7));
  await lab.waitFor("the laptop reaches the pod", () => peersReach(lab));
  assert.equal(await lost(berlin, "10.10.10.10"), 0);
  const device = async () =>
    (await wireGuardPeers(berlin.namespace)).get(await laptop.publicKey())!.endpoint;
  assert.equal(await device(), "192.0.2.200:51820");
  await lab.objects.put(endpoint(8));
  await lab.waitFor(
    "what is declared again is tried at once",
    async () => await device() === "192.0.2.200:8",
  );
});
