/** What is refused costs only itself. */

import assert from "node:assert/strict";
import type { Desired } from "../../src/mesh/desired.ts";
import { parsePrefix } from "../../src/net/prefix.ts";
import { NETLINK_NETFILTER, NETLINK_ROUTE } from "../../src/netlink/socket.ts";
import { EADDRINUSE, EINVAL, EOPNOTSUPP } from "../../src/os/errno.ts";
import { LEADER, Machine } from "./dataplane_machine.ts";
import { route } from "./dataplane_node.ts";

const EAGAIN = 11;
const [RTM_NEWADDR, RTM_GETROUTE, RTM_NEWRULE] = [20, 26, 32];

const PRIVATE = route("10.43.0.0/24", { gateway: "10.0.0.5", device: "private" });
const MIXED: Desired = { ...LEADER, routes: [...LEADER.routes, PRIVATE] };

function reported(report: Awaited<ReturnType<Machine["reconcile"]>>): string {
  return report.failures.map(({ part, warning }) => `${part}: ${warning.text}`).join("; ");
}

/** Destinations of our routes. */
function destinations({ node }: Machine): string[] {
  return node.routes("proto 107").map((line) => line.split(" ")[0]!);
}

Deno.test("a UDP port that is taken costs only what goes through WireGuard", async () => {
  using machine = new Machine();
  machine.deviceErrno = EADDRINUSE;
  const report = await machine.reconcile(MIXED);
  assert.match(
    reported(report),
    /^device: UDP port 51820 is taken by program 51820: WireGuard on kilo0/,
  );
  assert.deepEqual(report.warnings.map(({ code }) => code), ["device"]);
  assert.deepEqual(destinations(machine), ["10.43.0.0/24"]);
  assert.equal(machine.node.rules().length, 1);
  assert.match(machine.nft(), /masquerade/);
  assert.match(machine.nft(), /elements = { 10.42.0.0\/24 }/);
  assert.equal(machine.device.peers.length, 1, "peers need no port");

  machine.deviceErrno = undefined;
  machine.dataplane.invalidateAll();
  assert.deepEqual((await machine.reconcile(MIXED)).failures, []);
  assert.deepEqual(destinations(machine), ["10.42.1.0/24", "10.43.0.0/24"]);
  assert.equal(machine.device.listenPort, 51820);
});

Deno.test("while the device fails, routes through it stay as they are, and others change", async () => {
  using machine = new Machine();
  await machine.reconcile(MIXED);
  machine.deviceErrno = EADDRINUSE;
  const other = route("10.44.0.0/24", { gateway: "10.0.0.6", device: "private" });
  const report = await machine.reconcile({
    ...MIXED,
    device: { listenPort: 51821, peers: [] },
    // One is new, one is gone, and one goes another way now.
    routes: [route("10.45.0.0/24", { gateway: "10.4.0.3" }), other],
  });
  assert.match(reported(report), /UDP port 51821/);
  assert.deepEqual(destinations(machine), ["10.42.1.0/24", "10.44.0.0/24"]);
  assert.deepEqual(machine.device.peers, [], "who is out is out");
  const moved = route("10.42.1.0/24", { gateway: "10.0.0.6", device: "private" });
  await machine.reconcile({
    ...MIXED,
    device: { listenPort: 51821, peers: [] },
    routes: [moved],
  });
  assert.match(machine.node.ip("route get 10.42.1.1"), /via 10.0.0.6 dev eth0/);
});

Deno.test("a firewall that is refused stops neither the device nor routes", async () => {
  using machine = new Machine();
  machine.refuses = (_, family) => family === NETLINK_NETFILTER ? EINVAL : undefined;
  const report = await machine.reconcile(MIXED);
  assert.deepEqual(report.failures.map(({ part }) => part), ["firewall"]);
  assert.deepEqual(destinations(machine), ["10.42.1.0/24", "10.43.0.0/24"]);
  assert.equal(machine.device.peers.length, 1);
  machine.refuses = () => undefined;
  assert.deepEqual((await machine.reconcile(MIXED)).failures, []);
  assert.match(machine.nft(), /masquerade/);
});

for (
  const [part, type] of [
    ["routes", RTM_GETROUTE],
    ["rules", RTM_NEWRULE],
    ["interface", RTM_NEWADDR],
  ] as const
) {
  Deno.test(`${part} that are refused stop nothing else`, async () => {
    using machine = new Machine();
    machine.dataplane.observeHost({ privateAddress: undefined }); // the default route is known
    machine.refuses = (messages, family) =>
      family === NETLINK_ROUTE && messages.some((message) => message.type === type)
        ? EAGAIN
        : undefined;
    const report = await machine.reconcile(MIXED);
    const said = [...report.failures.map(({ part }) => part), ...refused(report)];
    assert.deepEqual(said, [part]);
    assert.match(machine.nft(), /masquerade/);
    assert.equal(machine.device.peers.length, 1);
    if (part !== "routes") assert.ok(destinations(machine).includes("10.43.0.0/24"));
    if (part !== "rules") assert.equal(machine.node.rules().length, 1);

    machine.refuses = () => undefined;
    machine.dataplane.invalidateAll();
    const after = await machine.reconcile(MIXED);
    assert.deepEqual([after.failures, refused(after)], [[], []]);
    assert.deepEqual(destinations(machine), ["10.42.1.0/24", "10.43.0.0/24"]);
  });
}

function refused({ refused }: Awaited<ReturnType<Machine["reconcile"]>>): string[] {
  return Object.entries(refused).filter(([, count]) => count > 0).map(([kind]) => kind);
}

Deno.test("routes that are refused are counted and named for as long as they are", async () => {
  using machine = new Machine();
  // The kernel wants a gateway, not an own address.
  const bad = route("10.46.0.0/24", { gateway: "10.0.0.1", device: "private" });
  const desired = { ...MIXED, routes: [...MIXED.routes, bad] };
  for (let pass = 0; pass < 3; pass++) {
    const report = await machine.reconcile(desired);
    assert.deepEqual([report.failures, report.refused], [[], { routes: 1, rules: 0 }]);
    assert.match(report.warnings.map(({ text }) => text).join(), /10\.46\.0\.0\/24.*EINVAL/);
  }
  const { refused, warnings } = await machine.reconcile(MIXED);
  assert.deepEqual([refused, warnings], [{ routes: 0, rules: 0 }, []]);
});

Deno.test("an MTU that is refused costs nothing else", async () => {
  using machine = new Machine({ interface: { name: "kilo0", ifMissing: "wait", mtu: 1e9 } });
  const report = await machine.reconcile(MIXED);
  assert.match(reported(report), /^interface: .*EINVAL/);
  assert.deepEqual(destinations(machine), ["10.42.1.0/24", "10.43.0.0/24"]);
});

Deno.test("a kernel that makes no IPIP tunnel is told of", () => {
  using machine = new Machine({ encapsulator: "ipip" });
  const RTM_NEWLINK = 16;
  machine.refuses = (messages) =>
    messages.some(({ type }) => type === RTM_NEWLINK) ? EOPNOTSUPP : undefined;
  const hostDevices = machine.dataplane.observeHost({
    privateAddress: parsePrefix("10.0.0.1/24")!.ip,
  });
  assert.equal(hostDevices.tunnel?.state, "unsupported");
  assert.deepEqual(hostDevices.warnings.map(({ code }) => code), ["encapsulation"]);
  assert.match(hostDevices.warnings[0]!.text, /tunl0.*--encapsulate=never/);
});

Deno.test("taking over from the original is tried until it is done", async () => {
  using machine = new Machine();
  const { node } = machine;
  node.namespace.run("iptables -t nat -N KILO-NAT");
  node.namespace.run("iptables -t nat -A KILO-NAT -j MASQUERADE");
  const NFT_MSG_DELCHAIN = 10 << 8 | 5;
  let failures = 0;
  machine.refuses = (messages) => {
    const isTakeOver = messages.some(({ type }) => type === NFT_MSG_DELCHAIN);
    return isTakeOver && failures++ < 2 ? EAGAIN : undefined;
  };
  for (let pass = 0; pass < 2; pass++) {
    const report = await machine.reconcile(LEADER);
    assert.match(reported(report), /^firewall: .*EAGAIN/);
    assert.match(node.namespace.run("iptables-save -t nat"), /MASQUERADE/);
    assert.deepEqual(destinations(machine), ["10.42.1.0/24"]);
  }
  assert.deepEqual((await machine.reconcile(LEADER)).failures, []);
  assert.doesNotMatch(node.namespace.run("iptables-save -t nat"), /MASQUERADE/);
  assert.equal(failures, 3);
});

Deno.test("routes of the original that cannot be removed at first are removed later", async () => {
  using machine = new Machine();
  const { node, dataplane } = machine;
  node.ip("link set kilo0 up");
  node.ip("route add 10.66.0.0/24 dev kilo0 proto static");
  const RTM_DELROUTE = 25;
  machine.refuses = (messages) =>
    messages.some(({ type }) => type === RTM_DELROUTE) ? EAGAIN : undefined;
  for (let pass = 0; pass < 2; pass++) {
    assert.ok((await machine.reconcile(LEADER)).refused.routes > 0);
    assert.equal(node.routes("proto static").length, 1);
  }
  machine.refuses = () => undefined;
  dataplane.invalidate("route");
  assert.deepEqual((await machine.reconcile(LEADER)).refused, { routes: 0, rules: 0 });
  assert.deepEqual(node.routes("proto static"), []);
});
