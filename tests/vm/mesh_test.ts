/**
 * A mesh on a kernel that has everything: WireGuard and IPIP are the kernel's own, made by kg
 * itself. One virtual machine, one story; what takes how long means nothing there.
 */

import assert from "node:assert/strict";
import type { PeerManifest } from "../lab/manifests.ts";
import { changes, snapshot } from "../lab/snapshot.ts";
import { THREE_LOCATIONS, type World } from "../lab/world.ts";
import { podAddress } from "../lab/wiring.ts";
import { provision } from "../../tools/provision.ts";
import { Refusal } from "../../tools/terminal.ts";
import { generatePresharedKey } from "../../src/wireguard/key.ts";
import { fetchKernel, type Kernel } from "./debian.ts";
import { endpointsStayOutside } from "./endpoints.ts";
import { type Guest, type GuestNode, GuestWorld, peer } from "./guests.ts";
import { otherSourcesAreAccepted } from "./internal_address.ts";
import { VirtualMachine } from "./machine.ts";
import { carried, device, routing, wgShow } from "./observe.ts";

/** Two nodes in one location, one alone; kg makes `tunl0` on the first two. */
const WORLD: World = {
  sites: THREE_LOCATIONS.sites.filter(({ name }) => ["berlin", "tokyo"].includes(name)),
  nodes: THREE_LOCATIONS.nodes.filter(({ site }) => ["berlin", "tokyo"].includes(site)),
  peers: [],
};

/** The kernel, or why there can be no virtual machine here. */
async function setUp(): Promise<Kernel | string> {
  if (Deno.build.arch !== "x86_64") return `no virtual machine on ${Deno.build.arch}`;
  try {
    await provision(["ip", "nft", "nsenter", "ping", "qemu-system-x86_64", "wg"]);
    const qemu = new Deno.Command("qemu-system-x86_64", { args: ["--version"], stdout: "null" });
    if (!(await qemu.output()).success) return "QEMU cannot be started";
    return await fetchKernel();
  } catch (error) {
    if (error instanceof Refusal) return error.message.replaceAll("\n", " ");
    throw error;
  }
}

const kernel = await setUp();

Deno.test({
  name: typeof kernel === "string"
    ? `a mesh on a kernel with everything: ${kernel}`
    : `a mesh on Linux ${kernel.release}`,
  ignore: typeof kernel === "string",
  fn: async (t) => {
    const program = new URL("../../dist/kg", import.meta.url).pathname;
    await using vm = await VirtualMachine.boot({ kernel: kernel as Kernel, program });
    const world = await GuestWorld.create(vm, { world: WORLD, withTunnel: ["tokyo-1"] });
    const before = new Map<string, string>();
    for (const node of world.nodes) before.set(node.name, await snapshot(node));
    for (const [name, step] of Object.entries(STORY)) {
      if (!await t.step(name, () => step(world, before))) return;
    }
  },
});

type Step = (world: GuestWorld, before: ReadonlyMap<string, string>) => Promise<void>;

/** Each begins where the one before it ended. `before`: what the nodes' kernels held without kg. */
const STORY: Readonly<Record<string, Step>> = {
  "every pod reaches every other": everyPodReachesEveryOther,
  "kg has made and addressed the interfaces": interfacesAreMade,
  "wg shows each leader the other": wgShowsTheOther,
  "routes and rules are in the kernel": routesAreThere,
  "the firewall is in the kernel": firewallIsThere,
  "inside a location packets go by IPIP, between locations by WireGuard": packetsAreWrapped,
  "IPIP is accepted from the location's nodes, and from nobody else": strangersAreRefused,
  "IPIP is accepted from where a node says that it comes": (world) =>
    otherSourcesAreAccepted(world, WORLD.nodes),
  "a Peer comes, changes, and goes: no packet lost, no session reset": sessionsStay,
  "a network that is routed into the tunnel does not take the tunnel along": (world) =>
    endpointsStayOutside(world, WORLD.nodes[2]!),
  "clean-up leaves nothing of ours, no tunl0 either": ({ nodes }, before) =>
    nodesAreClean(nodes.slice(0, 2), before),
  "peers of thousands of allowed IPs are written": thousandsAreWritten,
  "a kg that was killed reads thousands of allowed IPs back": thousandsAreRead,
  "clean-up leaves the kernel's own tunl0 as it was": ({ nodes }, before) =>
    nodesAreClean(nodes.slice(2), before),
  "a UDP port that another WireGuard device has costs only the tunnels": takenPortIsWaitedFor,
};

async function everyPodReachesEveryOther(world: GuestWorld): Promise<void> {
  for (const node of world.nodes) await node.startAgent("--clean-up-interface");
  const [first, ...others] = world.nodes;
  for (const node of [...others, first!]) {
    for (const spec of WORLD.nodes.filter(({ name }) => name !== node.name)) {
      await world.waitFor(`${node.name} reaches ${spec.name}`, () => {
        return node.pod.pings(podAddress(spec));
      });
    }
  }
}

async function interfacesAreMade({ nodes: [berlin1, berlin2, tokyo] }: GuestWorld): Promise<void> {
  const kilo = { kind: "wireguard", mtu: 1420, up: true };
  assert.deepEqual(await device(berlin1!, "kilo0"), { ...kilo, addresses: ["10.4.0.1/16"] });
  assert.deepEqual(await device(tokyo!, "kilo0"), { ...kilo, addresses: ["10.4.0.2/16"] });
  assert.equal((await device(berlin2!, "kilo0")).up, false);
  const tunnel = { kind: "ipip", mtu: 1480, up: true };
  assert.deepEqual(await device(berlin1!, "tunl0"), { ...tunnel, addresses: ["10.42.1.1/32"] });
  assert.deepEqual(await device(berlin2!, "tunl0"), { ...tunnel, addresses: ["10.42.2.1/32"] });
  assert.deepEqual(await device(tokyo!, "tunl0"), { ...tunnel, addresses: ["10.42.3.1/32"] });
}

async function wgShowsTheOther({ nodes: [berlin1, , tokyo] }: GuestWorld): Promise<void> {
  const berlin = await wgShow(berlin1!);
  const east = await wgShow(tokyo!);
  assert.equal(berlin.port, "51820");
  assert.deepEqual(berlin.peers.map(({ session: _, ...declared }) => declared), [{
    key: east.key,
    presharedKey: "(none)",
    endpoint: "203.0.113.31:51820",
    allowedIPs: ["10.2.0.31/32", "10.4.0.2/32", "10.42.3.0/24"],
    keepalive: "off",
  }]);
  assert.deepEqual(east.peers.map(({ session: _, ...declared }) => declared), [{
    key: berlin.key,
    presharedKey: "(none)",
    endpoint: "198.51.100.11:51820",
    allowedIPs: ["10.1.0.11/32", "10.1.0.12/32", "10.4.0.1/32", "10.42.1.0/24", "10.42.2.0/24"],
    keepalive: "off",
  }]);
}

async function routesAreThere({ nodes: [berlin1, berlin2, tokyo] }: GuestWorld): Promise<void> {
  assert.deepEqual(await routing(berlin1!), [
    "10.1.0.12 via 10.1.0.12 dev tunl0 table 1107 src 10.1.0.11 onlink",
    "10.2.0.31 via 10.4.0.2 dev kilo0 src 10.1.0.11 onlink",
    "10.42.2.0/24 via 10.1.0.12 dev tunl0 src 10.1.0.11 onlink",
    "10.42.3.0/24 via 10.4.0.2 dev kilo0 src 10.1.0.11 onlink",
    "from 10.42.1.0/24 to 10.1.0.12 lookup 1107 proto 107",
    "from all to 10.1.0.12 iif kilo0 lookup 1107 proto 107",
  ]);
  assert.deepEqual(await routing(berlin2!), [
    "10.1.0.11 via 10.1.0.11 dev tunl0 table 1107 src 10.1.0.12 onlink",
    "10.2.0.31 via 10.1.0.11 dev tunl0 src 10.1.0.12 onlink",
    "10.4.0.1 via 10.1.0.11 dev tunl0 src 10.1.0.12 onlink",
    "10.4.0.2 via 10.1.0.11 dev tunl0 src 10.1.0.12 onlink",
    "10.42.1.0/24 via 10.1.0.11 dev tunl0 src 10.1.0.12 onlink",
    "10.42.3.0/24 via 10.1.0.11 dev tunl0 src 10.1.0.12 onlink",
    "from 10.42.2.0/24 to 10.1.0.11 lookup 1107 proto 107",
  ]);
  assert.deepEqual(await routing(tokyo!), [
    "10.1.0.11 via 10.4.0.1 dev kilo0 src 10.2.0.31 onlink",
    "10.1.0.12 via 10.4.0.1 dev kilo0 src 10.2.0.31 onlink",
    "10.42.1.0/24 via 10.4.0.1 dev kilo0 src 10.2.0.31 onlink",
    "10.42.2.0/24 via 10.4.0.1 dev kilo0 src 10.2.0.31 onlink",
  ]);
}

async function firewallIsThere({ nodes: [berlin1] }: GuestWorld): Promise<void> {
  const text = (await berlin1!.script("nft list table ip kilo")).replace(/\s+/g, " ");
  const elements = (set: string) => new RegExp(`set ${set} {[^{}]*{ ([^{}]*) }`).exec(text)?.[1];
  assert.equal(elements("sources"), "10.42.1.0/24");
  assert.equal(elements("ipip"), "10.1.0.11-10.1.0.12");
  assert.equal(
    elements("known"),
    "10.1.0.11-10.1.0.12, 10.2.0.31, 10.4.0.1-10.4.0.2, 10.42.1.0-10.42.3.255",
  );
  for (const rule of ["ip daddr @known return", "ip saddr @sources masquerade"]) {
    assert.ok(text.includes(rule), rule);
  }
  assert.ok(text.includes("meta l4proto 4 ip saddr != @ipip drop"));
}

async function packetsAreWrapped({ machines, nodes }: GuestWorld): Promise<void> {
  const [berlin1, berlin2] = nodes as readonly [GuestNode, GuestNode];
  const internet = machines.get("internet")!;
  const tunnels = async () => [...await carried(berlin1), ...await carried(berlin2)];
  const counters = async () => {
    const text = await internet.script("nft list counters table inet watch");
    return [...text.matchAll(/packets (\d+)/g)].map(([, packets]) => Number(packets));
  };
  const before = await tunnels();
  const [sealed = NaN, clear] = await counters();
  assert.ok(await berlin1.pod.pings("10.42.2.2", { count: 5 }));
  const inside = await tunnels();
  assert.deepEqual(inside, before.map((packets) => packets + 5), "received and sent on both");
  assert.ok(await berlin2.pod.pings("10.42.3.2", { count: 5 }));
  const across = await tunnels();
  assert.deepEqual(across, inside.map((packets) => packets + 5), "to the leader and back");
  const [nowSealed = NaN, nowClear] = await counters();
  assert.ok(nowSealed >= sealed + 10, `${nowSealed - sealed} packets on the internet`);
  assert.equal(nowClear, clear);
}

async function strangersAreRefused({ machines, nodes: [berlin1] }: GuestWorld): Promise<void> {
  const stranger = machines.get("berlin-router")!;
  await berlin1!.script(`nft -f - <<'END'
    table ip watch {
      ${countIPIP("arrives", { priority: -10 })}
      ${countIPIP("passes", { priority: 10 })}
    }
END`);
  await stranger.script(`
    ip link add stray type ipip local 10.1.0.1 remote 10.1.0.11
    ip link set stray up
    ip address add 10.42.9.1/32 dev stray
    ip route add 10.42.1.0/24 dev stray src 10.42.9.1
    ping -nq -c 3 -i 0.1 -W 0.1 10.42.1.2 || true
    ip link delete stray`);
  assert.ok(await machines.get("berlin-2-pod")!.pings("10.42.1.2", { count: 3 }));
  const text = await berlin1!.script("nft list table ip watch; nft delete table ip watch");
  const packets = [...text.matchAll(/packets (\d+)/g)].map(([, count]) => Number(count));
  assert.deepEqual(packets, [3, 3, 3, 0]);
}

/** A chain before or after ours (priority -1), which counts IPIP from berlin-2 and from the router. */
function countIPIP(name: string, { priority }: { readonly priority: number }): string {
  return `chain ${name} {
        type filter hook input priority ${priority}
        ip protocol 4 ip saddr 10.1.0.12 counter
        ip protocol 4 ip saddr 10.1.0.1 counter
      }`;
}

async function sessionsStay(world: GuestWorld): Promise<void> {
  const [berlin1, berlin2, tokyo] = world.nodes as readonly [GuestNode, GuestNode, GuestNode];
  const before = await sessions(berlin1, tokyo);
  await berlin2.pod.script("ping -i 0.1 10.42.3.2 >/tmp/flow 2>&1 & echo $! >/tmp/flow.pid");
  const key = generatePresharedKey();
  const endpoint = { dnsOrIP: { ip: "192.0.2.77" }, port: 51820 };
  const stages = [
    { allowedIPs: ["10.7.0.1/32"] },
    { allowedIPs: ["10.7.0.1/32", "10.8.0.0/16", "fd00::7/128"], endpoint },
    // Before Linux 6.16 a single allowed IP cannot be taken from a peer.
    { allowedIPs: ["10.8.0.0/16", "fd00::7/128"], persistentKeepalive: 7 },
  ];
  for (const stage of stages) {
    await world.put(peer("changing", { publicKey: key, ...stage }));
    for (const node of [berlin1, tokyo]) {
      await world.waitFor(`${node.name} has ${stage.allowedIPs}`, async () => {
        const { peers } = await wgShow(node);
        const ips = peers.find((one) => one.key === key)?.allowedIPs.join();
        return peers.length === 2 && ips === stage.allowedIPs.toSorted().join();
      });
    }
  }
  const { peers } = await wgShow(berlin1);
  const { endpoint: address, keepalive } = peers.find((one) => one.key === key)!;
  assert.deepEqual([address, keepalive], ["192.0.2.77:51820", "off"], "keepalive is the node's");
  await world.delete(peer("changing", { publicKey: key, allowedIPs: [] }));
  for (const node of [berlin1, tokyo]) {
    await world.waitFor("it is gone", async () => (await wgShow(node)).peers.length === 1);
  }
  const flow = await world.vm.script(`
    kill -INT $(cat /tmp/flow.pid)
    until grep transmitted /tmp/flow; do sleep 0.1; done`);
  const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(flow)!.map(Number);
  assert.ok(sent! > 10 && received! >= sent! - 1, flow); // one may be under way
  (await sessions(berlin1, tokyo)).forEach((after, at) => {
    const { handshake, received, sent } = before[at]!;
    // WireGuard itself makes a new one after 120 s.
    assert.ok(after.handshake === handshake || after.handshake > handshake + 100);
    assert.ok(after.received >= received + 1000 && after.sent >= sent + 1000);
  });
}

async function sessions(...nodes: readonly Guest[]) {
  const devices = await Promise.all(nodes.map(wgShow));
  return devices.map(({ peers }) => peers[0]!.session);
}

const LARGE = [101, 102, 103].map((net, index) => {
  const addresses = Array.from({ length: 3000 }, (_, n) => [n >> 8, n & 255] as const);
  return peer(`large-${net}`, {
    publicKey: generatePresharedKey(),
    allowedIPs: addresses.map(([high, low]) =>
      index < 2
        ? `10.${net}.${high}.${low}/32`
        : `fd00:${net}:${high + 1}::${(low + 1).toString(16)}/128`
    ),
  });
});

/** Reports of the reconciles since tokyo's kg was killed and started again. */
async function restart(world: GuestWorld, meanwhile: readonly PeerManifest[]) {
  const tokyo = world.nodes[2]!;
  await tokyo.stopAgent("KILL");
  const logged = (await tokyo.log()).length;
  for (const object of meanwhile) await world.put(object);
  await tokyo.startAgent("--clean-up-interface");
  return await world.waitFor(`${tokyo.name} follows the mesh`, async () => {
    const reports = (await tokyo.log()).slice(logged).filter(({ device }) => device !== undefined);
    return reports.length > 0 ? reports : undefined;
  });
}

async function thousandsAreWritten(world: GuestWorld): Promise<void> {
  const tokyo = world.nodes[2]!;
  await restart(world, LARGE);
  await hasLargePeers(tokyo);
  const routes = await tokyo.script("ip -o route show proto 107; ip -o -6 route show proto 107");
  const there = new Set(routes.split("\n").map((line) => line.split(" ")[0]));
  const desired = LARGE.flatMap(({ spec }) => spec!.allowedIPs!.map((ip) => ip!.split("/")[0]));
  assert.deepEqual(desired.filter((ip) => !there.has(ip)), []);
}

/** Had it misread anything, it would have changed more than the one Peer that is new. */
async function thousandsAreRead(world: GuestWorld): Promise<void> {
  const small = peer("small", { publicKey: generatePresharedKey(), allowedIPs: ["10.7.0.1/32"] });
  const reports = await restart(world, [small]);
  const changed = reports.map(({ device, routes, rules }) => ({ device, routes, rules }));
  assert.deepEqual(changed, [{ device: 1, routes: 1, rules: 0 }]);
  await hasLargePeers(world.nodes[2]!);
}

async function hasLargePeers(node: Guest): Promise<void> {
  const { peers } = await wgShow(node);
  for (const { spec } of LARGE) {
    const found = peers.find(({ key }) => key === spec!.publicKey)?.allowedIPs;
    assert.deepEqual(found, [...spec!.allowedIPs!].sort());
  }
}

async function takenPortIsWaitedFor(world: GuestWorld): Promise<void> {
  const node = world.nodes[0]!;
  await node.script(`ip link add wg9 type wireguard
    wg set wg9 listen-port 51820; ip link set wg9 up`);
  await node.startAgent();
  await world.waitFor(
    "it says who has the port",
    async () =>
      (await node.log()).some(({ msg }) => /51820 is taken by WireGuard device wg9/.test(msg)),
  );
  assert.match(await node.script("nft list table ip kilo"), /masquerade/);
  assert.equal((await device(node, "kilo0")).up, false);
  await node.script("ip link del wg9");
  await world.waitFor("it has the port", async () => (await device(node, "kilo0")).up);
}

async function nodesAreClean(
  nodes: readonly GuestNode[],
  before: ReadonlyMap<string, string>,
): Promise<void> {
  for (const node of nodes) {
    assert.equal(await node.stopAgent("TERM"), 0);
    // A device keeps the queue it got when it was set up.
    const [was, is] = [before.get(node.name)!, await snapshot(node)]
      .map((text) => text.replaceAll(/ qdisc \w+/g, ""));
    assert.equal(changes(was!, is!), "", node.name);
  }
}
