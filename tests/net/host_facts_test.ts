import assert from "node:assert/strict";
import { Host } from "../../src/dataplane/host.ts";
import { HostFactsObserver } from "../../src/dataplane/host_facts.ts";
import { formatIP, type IP, parseIP } from "../../src/net/ip.ts";
import { formatPrefix } from "../../src/net/prefix.ts";
import { Connection } from "../../src/netlink/connection.ts";
import { NETLINK_ROUTE, Socket } from "../../src/netlink/socket.ts";
import { NetworkNamespace } from "./namespace.ts";

const NOTHING = { servers: [] };

/** Two devices of the host, the Kilo interface and the pods' bridge. */
function setUp(namespace: NetworkNamespace): void {
  for (const link of ["eth0", "eth1", "kilo0", "kube-bridge"]) {
    namespace.run(`ip link add ${link} type bridge`);
    namespace.run(`ip link set ${link} up`);
  }
  for (
    const address of [
      "10.0.0.1/24 dev eth0",
      "10.0.0.9/24 dev eth0", // secondary
      "10.0.0.100/32 dev eth0", // floating
      "fd00::1/64 dev eth0 nodad",
      "10.7.0.1 peer 10.7.0.2/32 dev eth1",
      "10.4.0.1/16 dev kilo0",
      "10.42.1.1/24 dev kube-bridge",
    ]
  ) namespace.run(`ip address add ${address}`);
  for (
    const route of [
      "default via 10.0.0.254 metric 100",
      "172.16.0.0/12 proto static nexthop via 10.0.0.253 nexthop via 10.0.0.252",
      "172.20.0.0/16 via 10.0.0.251 proto bgp",
      "172.21.0.0/16 via 10.0.0.251 proto 107",
      "172.22.0.0/16 dev kilo0",
    ]
  ) namespace.run(`ip route add ${route}`);
}

function ips(list: readonly (IP | undefined)[]): string[] {
  return list.flatMap((ip) => ip ? formatIP(ip) : []).sort();
}

Deno.test("HostFactsObserver sees what a host is built on, and not what the mesh made", () => {
  using namespace = NetworkNamespace.enter("kg-facts");
  setUp(namespace);
  using connection = new Connection(Socket.open(NETLINK_ROUTE));
  const observer = new HostFactsObserver(new Host(connection), { kiloInterface: "kilo0" });
  const { networks, addresses, ways } = observer.observe(undefined, NOTHING);
  assert.deepEqual(
    networks.map(({ prefix, device }) => `${formatPrefix(prefix)} ${device}`)
      .filter((text) => !text.startsWith("fe80")).sort(),
    ["10.0.0.0/24 eth0", "10.7.0.2/32 eth1", "127.0.0.0/8 lo", "fd00::/64 eth0"],
  );
  assert.deepEqual(
    ips(addresses),
    ["10.0.0.1", "10.0.0.100", "10.0.0.9", "10.7.0.1", "127.0.0.1", "::1", "fd00::1"],
    "a device that is down leaves its address to the next leader",
  );
  assert.deepEqual(ips(ways.map(({ gateway }) => gateway)), [
    "10.0.0.252",
    "10.0.0.253",
    "10.0.0.254",
  ]);
  const dsts = new Set(ways.map(({ dst }) => formatPrefix(dst)));
  for (const dst of ["0.0.0.0/0", "172.16.0.0/12"]) assert.ok(dsts.has(dst), dst);
  for (const dst of ["10.4.0.0/16", "10.42.1.0/24", "172.21.0.0/16", "172.22.0.0/16"]) {
    assert.ok(!dsts.has(dst), dst);
  }
});

Deno.test("HostFactsObserver sees networks on link that no address of the host is in", () => {
  using namespace = NetworkNamespace.enter("kg-facts");
  setUp(namespace);
  for (
    const route of [
      "10.60.0.0/24 dev eth0",
      "10.61.0.1/32 dev eth0 proto dhcp",
      "10.62.0.0/24 via 10.60.0.1 dev eth0",
      "10.63.0.0/24 dev kube-bridge",
      "10.64.0.0/24 dev eth0 proto 107",
      "blackhole 10.65.0.0/24",
      "fd60::/64 dev eth0 proto ra",
    ]
  ) namespace.run(`ip route add ${route}`);
  namespace.run("ip tuntap add tun0 mode tun");
  namespace.run("ip link set tun0 up");
  namespace.run("ip route add 10.66.0.0/24 dev tun0");
  using connection = new Connection(Socket.open(NETLINK_ROUTE));
  const observer = new HostFactsObserver(new Host(connection), { kiloInterface: "kilo0" });
  const networks = observer.observe(undefined, NOTHING).networks
    .map(({ prefix }) => formatPrefix(prefix)).filter((text) => /^(10\.6|fd60)/.test(text));
  assert.deepEqual(networks.sort(), ["10.60.0.0/24", "fd60::/64"]);
});

Deno.test("HostFactsObserver sees a default route whoever set it", () => {
  using namespace = NetworkNamespace.enter("kg-facts");
  setUp(namespace);
  namespace.run("ip route del default");
  namespace.run("ip route add default via 10.0.0.249 proto bird");
  using connection = new Connection(Socket.open(NETLINK_ROUTE));
  const observer = new HostFactsObserver(new Host(connection), { kiloInterface: "kilo0" });
  const { ways } = observer.observe(undefined, NOTHING);
  assert.ok(ips(ways.map(({ gateway }) => gateway)).includes("10.0.0.249"));
});

Deno.test("HostFactsObserver answers the same value as long as nothing changes", () => {
  using namespace = NetworkNamespace.enter("kg-facts");
  setUp(namespace);
  let sends = 0;
  const socket = Socket.open(NETLINK_ROUTE);
  using connection = new Connection({
    portId: socket.portId,
    send: (bytes) => (sends++, socket.send(bytes)),
    receive: () => socket.receive(),
    [Symbol.dispose]: () => socket[Symbol.dispose](),
  });
  const host = new Host(connection);
  const observer = new HostFactsObserver(host, { kiloInterface: "kilo0" });
  const facts = observer.observe(undefined, NOTHING);
  const before = sends;
  assert.equal(observer.observe(undefined, NOTHING), facts);
  assert.equal(sends, before, "nothing is read");
  host.invalidate("link");
  assert.equal(observer.observe(undefined, NOTHING), facts, "read again, and the same");
  namespace.run("ip route replace default via 10.0.0.250 metric 100");
  host.invalidate("route");
  const after = observer.observe(undefined, NOTHING);
  assert.ok(ips(after.ways.map(({ gateway }) => gateway)).includes("10.0.0.250"));
});

Deno.test("Host tells whether an address is reached without the mesh", () => {
  using namespace = NetworkNamespace.enter("kg-facts");
  setUp(namespace);
  using connection = new Connection(Socket.open(NETLINK_ROUTE));
  const host = new Host(connection);
  const isDirect = (text: string) => host.isReachedWithout(parseIP(text)!, "kilo0");
  for (const text of ["10.0.0.7", "8.8.8.8", "172.20.0.1", "fd00::7"]) {
    assert.ok(isDirect(text), text);
  }
  for (const text of ["172.21.0.1", "172.22.0.1", "10.4.0.9"]) {
    assert.equal(isDirect(text), false, text);
  }
  assert.equal(isDirect("2001:db8::1"), undefined, "there is no way at all");
});

Deno.test("Host knows the ways around the mesh that an agent before made", () => {
  using namespace = NetworkNamespace.enter("kg-facts");
  setUp(namespace);
  for (
    const route of [
      "192.0.2.0/24 dev kilo0",
      "192.0.2.1 via 10.0.0.254 dev eth0", // as the default route
      "10.0.0.8 dev eth0",
      "192.0.2.2 via 10.0.0.2 dev eth0", // a node's, by the leader
      "192.0.2.3 dev kilo0",
    ]
  ) namespace.run(`ip route add ${route} proto 107`);
  using connection = new Connection(Socket.open(NETLINK_ROUTE));
  const host = new Host(connection);
  const isDirect = (text: string) => host.isReachedWithout(parseIP(text)!, "kilo0");
  for (const text of ["192.0.2.1", "10.0.0.8"]) assert.equal(isDirect(text), true, text);
  for (const text of ["192.0.2.2", "192.0.2.3", "192.0.2.4"]) {
    assert.equal(isDirect(text), false, text);
  }
});
