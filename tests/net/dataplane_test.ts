import assert from "node:assert/strict";
import type { Desired } from "../../src/mesh/desired.ts";
import { parseIP } from "../../src/net/ip.ts";
import { keyFromBytes } from "../../src/net/key.ts";
import { hostPrefix, parsePrefix } from "../../src/net/prefix.ts";
import type { Route } from "../../src/net/route.ts";
import { FOLLOWER, LEADER, Machine, PEER } from "./dataplane_machine.ts";
import { route } from "./dataplane_node.ts";

Deno.test("Dataplane raises the interface before its routes, and masquerades last", async () => {
  using machine = new Machine();
  const { node } = machine;
  const report = await machine.reconcile(LEADER);
  assert.deepEqual(machine.done, [
    "link", // MTU
    "firewall",
    "address",
    "device",
    "link", // up
    "route",
    "rule",
    "firewall",
  ]);
  assert.deepEqual([report.device.changed, report.routes, report.rules], [2, 1, 1]);
  assert.deepEqual(report.warnings, []);
  assert.deepEqual(node.addresses("kilo0"), ["10.4.0.1/16"]);
  assert.match(node.ip("link show dev kilo0"), /UP.* mtu 1420/);
  assert.match(node.ip("route get 10.42.1.1"), /via 10.4.0.2 dev kilo0/);
  assert.match(machine.nft(), /elements = { 10.42.0.0\/24 }/);
});

Deno.test("Dataplane sends nothing for an unchanged mesh", async () => {
  using machine = new Machine();
  for (const desired of [LEADER, FOLLOWER]) {
    await machine.reconcile(desired);
    await machine.reconcile(structuredClone(desired)); // looks at what its own link took along
    const report = await machine.reconcile(structuredClone(desired));
    assert.equal(machine.sends, 0);
    assert.equal(report.device.changed + report.routes + report.rules + report.firewall, 0);
  }
});

Deno.test("Dataplane writes nothing where a predecessor left all right", async () => {
  using machine = new Machine();
  await machine.reconcile(LEADER);
  machine.dataplane.invalidateAll();
  await machine.reconcile(LEADER);
  assert.deepEqual(machine.done, []);
});

Deno.test("Dataplane sends packets another way before the interface goes down", async () => {
  using machine = new Machine();
  const { node } = machine;
  await machine.reconcile(LEADER);
  await machine.reconcile(FOLLOWER);
  assert.deepEqual(machine.done, ["route", "rule", "link"]);
  assert.match(node.ip("link show dev kilo0"), /state DOWN/);
  assert.deepEqual(node.addresses("kilo0"), ["10.4.0.1/16"]);
  assert.match(node.ip("route get 10.42.1.1"), /via 10.0.0.5 dev eth0/);
  await machine.reconcile(LEADER);
  assert.deepEqual(machine.done, ["link", "route", "rule"]);
});

Deno.test("Dataplane leaves destinations alone before a route leads there, and as long as one does", async () => {
  using machine = new Machine();
  const keep = [...LEADER.firewall.nat.keep, parsePrefix("10.42.7.0/24")!];
  const more: Desired = {
    ...LEADER,
    device: { ...LEADER.device, peers: [{ ...PEER, allowedIPs: keep }] },
    routes: [...LEADER.routes, route("10.42.7.0/24", { gateway: "10.4.0.3" })],
    firewall: { nat: { ...LEADER.firewall.nat, keep } },
  };
  await machine.reconcile(LEADER);
  await machine.reconcile(more);
  assert.deepEqual(machine.done, ["firewall", "device", "route"]);
  await machine.reconcile(LEADER);
  assert.deepEqual(machine.done, ["device", "route", "firewall"]);
  assert.doesNotMatch(machine.nft(), /10\.42\.7\.0/);
});

Deno.test("Dataplane takes away a follower's ways to endpoints before the interface goes up", async () => {
  using machine = new Machine();
  const { node } = machine;
  const endpoint = { ip: parseIP("192.168.7.41")!, port: 51820 };
  const device = { ...LEADER.device, peers: [{ ...PEER, endpoint }] };
  await machine.reconcile({
    ...FOLLOWER,
    routes: [
      ...FOLLOWER.routes,
      route("192.168.7.41/32", { gateway: "10.0.0.5", device: "private" }),
    ],
  });
  assert.match(node.ip("route get 192.168.7.41"), /via 10.0.0.5 dev eth0/);
  await machine.reconcile({ ...LEADER, device });
  assert.deepEqual(machine.done, ["address", "route", "device", "link", "route", "rule"]);
  assert.match(node.ip("route get 192.168.7.41"), /via 10.0.0.254 dev eth0/);
  assert.match(node.ip("route get 10.42.1.1"), /via 10.4.0.2 dev kilo0/);
});

Deno.test("Dataplane takes away a way into the tunnel before WireGuard sends there", async () => {
  using machine = new Machine();
  const inside = route("192.168.7.41/32", { gateway: "10.4.0.2" });
  const nested = route("192.0.2.7/32", { gateway: "10.4.0.2" });
  await machine.reconcile({ ...LEADER, routes: [...LEADER.routes, inside, nested] });
  const peers = ["192.168.7.41", "192.0.2.7"].map((text, at) => ({
    ...PEER,
    publicKey: keyFromBytes(new Uint8Array(32).fill(at)),
    endpoint: { ip: parseIP(text)!, port: 51820 },
  }));
  const device = { ...LEADER.device, peers: [PEER, ...peers] };
  await machine.reconcile({ ...LEADER, device, routes: [...LEADER.routes, nested] });
  assert.deepEqual(machine.done, ["route", "device"]);
  assert.match(machine.node.ip("route get 192.168.7.41"), /via 10.0.0.254 dev eth0/);
  assert.match(machine.node.ip("route get 192.0.2.7"), /dev kilo0/, "as it is desired");
});

Deno.test("Dataplane has a way around the tunnel before WireGuard sends there", async () => {
  using machine = new Machine();
  const wide = route("203.0.113.0/24", { gateway: "10.4.0.2" });
  await machine.reconcile({ ...LEADER, routes: [...LEADER.routes, wide] });
  const endpoint = { ip: parseIP("203.0.113.31")!, port: 51820 };
  const peers = [{ ...PEER, publicKey: keyFromBytes(new Uint8Array(32).fill(1)), endpoint }];
  const direct: Route = {
    dst: hostPrefix(endpoint.ip),
    gateway: parseIP("10.0.0.254")!,
    oif: machine.node.index("eth0"),
    onlink: false,
  };
  await machine.reconcile({
    ...LEADER,
    device: { ...LEADER.device, peers: [PEER, ...peers] },
    routes: [direct, ...LEADER.routes, wide],
  });
  assert.deepEqual(machine.done, ["route", "device"]);
  assert.match(machine.node.ip("route get 203.0.113.31"), /via 10.0.0.254 dev eth0/);
  assert.match(machine.node.ip("route get 203.0.113.32"), /dev kilo0/);
});

Deno.test("Dataplane that leads again resets its peers, which have forgotten it", async () => {
  using machine = new Machine();
  const endpoint = { ip: parseIP("192.0.2.1")!, port: 51820 };
  const leader = { ...LEADER, device: { ...LEADER.device, peers: [{ ...PEER, endpoint }] } };
  await machine.reconcile(leader);
  const lastHandshake = Date.now();
  machine.device = {
    ...machine.device,
    peers: machine.device.peers.map((peer) => ({ ...peer, lastHandshake })),
  };
  machine.dataplane.invalidate("wireguard");
  await machine.reconcile(FOLLOWER);
  for (let again: number | undefined = 0; again !== undefined;) {
    await new Promise((resolve) => setTimeout(resolve, again));
    ({ again } = (await machine.reconcile(leader)).device);
    if (machine.device.peers[0]!.lastHandshake === 0) return; // it is another
  }
  assert.fail("it believes in the session of before");
});

Deno.test("Dataplane repairs what it is told to look at", async () => {
  using machine = new Machine();
  const { node, dataplane } = machine;
  await machine.reconcile(LEADER);
  // Its IPv4 routes go with a device that goes down, and nothing tells.
  node.ip("link set kilo0 down");
  dataplane.invalidate("link");
  await machine.reconcile(LEADER);
  assert.match(node.ip("route get 10.42.1.1"), /via 10.4.0.2 dev kilo0/);
  node.ip("addr del 10.4.0.1/16 dev kilo0");
  dataplane.invalidate("address");
  await machine.reconcile(LEADER);
  assert.match(node.ip("route get 10.42.1.1"), /via 10.4.0.2 dev kilo0/);
  node.ip("rule del pref 32000");
  dataplane.invalidate("rule");
  await machine.reconcile(LEADER);
  assert.equal(node.rules().length, 1);
  node.namespace.run("nft delete table ip kilo");
  dataplane.invalidate("nftables");
  await machine.reconcile(LEADER);
  assert.match(machine.nft(), /table ip kilo/);
});

Deno.test("Dataplane waits for a missing interface and goes on with the rest", async () => {
  using machine = new Machine();
  const { node, dataplane } = machine;
  node.ip("link set kilo0 name kilo7");
  const report = await machine.reconcile(LEADER);
  assert.match(report.warnings.map(({ text }) => text).join(), /no Kilo interface/);
  assert.match(machine.nft(), /table ip kilo/);
  node.ip("link set kilo7 name kilo0");
  dataplane.invalidate("link");
  await machine.reconcile(LEADER);
  assert.match(node.ip("route get 10.42.1.1"), /dev kilo0/);
});

Deno.test("cleanUp() leaves the interface as it is, or deletes it, and nothing else of ours", async () => {
  using machine = new Machine();
  const { node, dataplane } = machine;
  const before = [node.routes(""), machine.nft()];
  await machine.reconcile(LEADER);
  assert.deepEqual(dataplane.cleanUp({ deleteInterface: false }), []);
  assert.deepEqual(node.rules(), []);
  assert.deepEqual(node.routes("proto 107"), []);
  assert.deepEqual(node.addresses("kilo0"), ["10.4.0.1/16"]);
  assert.match(node.ip("link show dev kilo0"), /UP/);
  assert.deepEqual(dataplane.cleanUp({ deleteInterface: true }), []);
  assert.deepEqual(dataplane.cleanUpTunnel(), []);
  assert.throws(() => node.ip("link show dev kilo0"));
  const unrelated = (lines: readonly string[]) => lines.filter((line) => !line.includes("kilo"));
  assert.deepEqual([unrelated(node.routes("")), machine.nft()], [
    unrelated(before[0] as string[]),
    before[1],
  ]);
});
