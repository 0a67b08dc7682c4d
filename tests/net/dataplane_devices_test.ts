import assert from "node:assert/strict";
import { Failures } from "../../src/dataplane/failures.ts";
import { Host } from "../../src/dataplane/host.ts";
import { ensureInterface, interfaceWarnings, setAddress } from "../../src/dataplane/interface.ts";
import { cniCompatibilityIP, Tunnel } from "../../src/dataplane/tunnel.ts";
import { formatIP } from "../../src/net/ip.ts";
import { parsePrefix } from "../../src/net/prefix.ts";
import { Node } from "./dataplane_node.ts";

function prefix(text: string) {
  return parsePrefix(text)!;
}

Deno.test("setAddress() leaves one address and keeps the routes through the interface", () => {
  using node = new Node();
  const host = new Host(node.connection);
  const set = (text: string) => setAddress(host, host.link("kilo0")!, prefix(text));
  node.ip("route add 10.42.1.0/24 via 10.4.0.9 dev kilo0 onlink");
  node.ip("addr add 10.4.0.7/16 dev kilo0");
  node.ip("addr add 10.4.0.8/32 dev kilo0");
  node.ip("addr add fd04::1/64 dev kilo0 nodad");
  // The second lies in the network of the first, which takes it along when it goes.
  for (const text of ["10.4.0.2/16", "10.4.0.7/16", "10.4.0.7/24", "10.5.0.1/16"]) {
    assert.ok(set(text));
    assert.deepEqual(node.addresses("kilo0"), [text]);
    assert.match(node.ip("route show 10.42.1.0/24"), /dev kilo0/);
  }
  assert.match(node.ip("-6 addr show dev kilo0"), /inet6 fe80:/);

  assert.ok(!set("10.5.0.1/16"), "it reads what it has changed");
  node.sends = 0;
  assert.ok(!set("10.5.0.1/16"));
  assert.equal(node.sends, 0);
  assert.ok(set("fd04::1/64"));
  assert.deepEqual(node.addresses("kilo0"), ["fd04::1/64"]);
});

Deno.test("ensureInterface() sets the MTU by the underlay, waits, or says what the kernel lacks", () => {
  using node = new Node();
  const host = new Host(node.connection);
  const settings = { name: "kilo0", ifMissing: "wait", mtu: "auto" } as const;
  assert.equal(ensureInterface(host, settings, new Failures())?.mtu, 1420);
  assert.deepEqual(interfaceWarnings(host, settings), []);
  node.sends = 0;
  assert.equal(ensureInterface(host, settings, new Failures())?.mtu, 1420);
  assert.equal(node.sends, 0);

  node.ip("link set eth0 mtu 1340");
  host.invalidate("link");
  assert.equal(ensureInterface(host, settings, new Failures())?.mtu, 1260);
  assert.match(
    interfaceWarnings(host, settings).map(({ text }) => text).join(),
    /^the MTU of eth0 is 1340/,
  );
  assert.equal(ensureInterface(host, { ...settings, mtu: 1300 }, new Failures())?.mtu, 1300);
  node.ip("route del default");
  node.ip("route add default dev kilo0 proto 107");
  host.invalidate("route");
  assert.equal(
    ensureInterface(host, settings, new Failures())?.mtu,
    1420,
    "our own route is no underlay",
  );

  assert.equal(ensureInterface(host, { ...settings, name: "kilo9" }, new Failures()), undefined);
  assert.match(
    interfaceWarnings(host, { ...settings, name: "kilo9" })[0]!.text,
    /kilo9 is missing/,
  );
  const failures = new Failures();
  const made = ensureInterface(host, { ...settings, name: "kilo9", ifMissing: "create" }, failures);
  assert.equal(made, undefined);
  assert.deepEqual(failures.all.map(({ part }) => part), ["interface"]);
  assert.match(failures.all[0]!.warning.text, /create link kilo9 of kind wireguard: EOPNOTSUPP/);
});

Deno.test("Tunnel says once what this kernel lacks", () => {
  using node = new Node();
  const host = new Host(node.connection);
  const tunnel = new Tunnel(host, "ipip");
  const sendsOfTry = () => {
    assert.ok(host.links.length > 0);
    node.sends = 0;
    assert.equal(tunnel.ensure({ mtu: 1500 }, new Failures()).state, "unsupported");
    return node.sends;
  };
  assert.deepEqual([sendsOfTry(), sendsOfTry()], [1, 0]);
  tunnel.invalidate();
  assert.equal(sendsOfTry(), 1);
  tunnel.cleanUp();
});

Deno.test("Tunnel sizes tunl0 once, gives it one address, and takes both away", () => {
  using node = new Node();
  node.ip("link add tunl0 type veth peer name tunl1");
  node.ip("link set tunl1 up");
  node.ip("addr add 10.42.7.1/24 dev tunl0");
  const host = new Host(node.connection);
  const tunnel = new Tunnel(host, "ipip");
  const ensure = (mtu: number) => {
    const ready = tunnel.ensure({ mtu }, new Failures());
    assert.ok(ready.state === "ready");
    tunnel.setAddress(ready.link, prefix("10.42.0.1/32"));
  };
  ensure(1400);
  host.invalidate("link");
  ensure(1500);
  assert.deepEqual(node.addresses("tunl0"), ["10.42.0.1/32"]);
  assert.match(node.ip("link show dev tunl0"), /UP.* mtu 1380/);
  node.sends = 0;
  ensure(1500);
  assert.equal(node.sends, 0);
  node.ip("link set tunl0 down");
  host.invalidate("link");
  ensure(1500);
  assert.match(node.ip("link show dev tunl0"), /UP/);

  tunnel.cleanUp();
  assert.throws(() => node.ip("link show dev tunl0"));
});

Deno.test("Tunnel follows Flannel's device and leaves it alone", () => {
  using node = new Node();
  const host = new Host(node.connection);
  const tunnel = new Tunnel(host, "flannel");
  assert.equal(tunnel.ensure({ mtu: 1500 }, new Failures()).state, "absent");
  node.ip("link add flannel.1 type veth peer name flannel.2");
  node.ip("addr add 10.42.0.0/32 dev flannel.1");
  host.invalidate("link");
  assert.equal(tunnel.ensure({ mtu: 1500 }, new Failures()).state, "ready");
  tunnel.cleanUp();
  assert.deepEqual(node.addresses("flannel.1"), ["10.42.0.0/32"]);
  assert.match(node.ip("link show dev flannel.1"), /state DOWN/);
});

Deno.test("Tunnel uses Cilium's device beside Cilium's own addresses", () => {
  using node = new Node();
  node.ip("link add cilium_tunl mtu 1490 type veth peer name cilium_peer");
  node.ip("link set cilium_peer up");
  node.ip("addr add 10.42.9.9/32 dev cilium_tunl");
  const host = new Host(node.connection);
  const tunnel = new Tunnel(host, "cilium");
  for (const address of ["10.42.1.1/32", "10.42.0.1/32"]) {
    const ready = tunnel.ensure({ mtu: 1500 }, new Failures());
    assert.ok(ready.state === "ready");
    tunnel.setAddress(ready.link, prefix(address));
    assert.deepEqual(node.addresses("cilium_tunl"), ["10.42.9.9/32", address]);
  }
  assert.match(node.ip("link show dev cilium_tunl"), /UP.* mtu 1490/);
  new Tunnel(host, "cilium").cleanUp();
  assert.deepEqual(node.addresses("cilium_tunl"), ["10.42.9.9/32"], "by another process");
});

Deno.test("cniCompatibilityIP() is the first IPv4 address of cilium_host", () => {
  using node = new Node();
  const host = new Host(node.connection);
  assert.equal(cniCompatibilityIP(host), undefined);
  node.ip("link add cilium_host type veth peer name cilium_net");
  node.ip("addr add fd42::1/128 dev cilium_host");
  node.ip("addr add 10.42.0.71/32 dev cilium_host");
  host.invalidate("link");
  assert.equal(formatIP(cniCompatibilityIP(host)!), "10.42.0.71");
});

Deno.test("Host knows who holds an address and which default route is in force", () => {
  using node = new Node();
  const host = new Host(node.connection);
  assert.equal(host.holderOf(prefix("10.0.0.1/32").ip)?.name, "eth0");
  assert.equal(host.holderOf(prefix("10.0.0.2/32").ip), undefined);
  assert.equal(host.underlay?.name, "eth0");
  node.ip("route del default");
  node.ip("route add default via 10.0.0.254 metric 100");
  node.ip("route add default via 10.4.0.254 metric 50");
  node.ip("-6 route add default via fd00::ff metric 10");
  host.invalidate("route");
  assert.equal(host.underlay?.name, "kilo0");
  assert.deepEqual(host.defaultRoutes.map(({ metric }) => metric), [50, 10], "one a family");
});

Deno.test("Host knows the default route among routes and rules that stand before it", () => {
  using node = new Node();
  const host = new Host(node.connection);
  const metrics = () => {
    host.invalidate("route");
    return host.defaultRoutes.map(({ metric }) => metric);
  };
  node.ip("route replace default via 10.0.0.254 metric 100 proto dhcp");
  node.ip("route del default metric 0");
  node.ip("-6 route add default via fd00::ff metric 10");
  assert.deepEqual(metrics(), [100, 10]);
  // A router's table of what is not to be found on the internet.
  const bogons = ["240.0.0.0/4", "192.88.99.0/24", "198.51.100.0/24", "203.0.113.0/24"];
  for (const bogon of bogons) node.ip(`route add unreachable ${bogon}`);
  assert.deepEqual(metrics(), [100, 10]);
  node.ip("route add blackhole 192.0.2.0/24");
  node.ip("-6 route add unreachable 4000::/2");
  node.ip("-6 route add unreachable 8000::/1");
  assert.deepEqual(metrics(), [100, 10], "nothing is left but to read the table");
  for (const bogon of bogons) node.ip(`route del unreachable ${bogon}`);
  // wg-quick: all but what has a route of its own goes elsewhere.
  node.ip("route add default dev kilo0 table 51820");
  node.ip("rule add not fwmark 51820 table 51820 priority 32764");
  node.ip("rule add table main suppress_prefixlength 0 priority 32763");
  assert.deepEqual(metrics(), [100, 10]);
  node.ip("route add default dev kilo0 metric 3 proto 107");
  assert.deepEqual(metrics(), [100, 10], "ours does not count");
  node.ip("route del default metric 100");
  node.ip("-6 route del default");
  assert.deepEqual(metrics(), []);
});
