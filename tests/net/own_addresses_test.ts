/** What a host tells of its own addresses, as the kernel has them. */

import assert from "node:assert/strict";
import { discover } from "../../src/agent/discovery.ts";
import { viewHost } from "../../src/agent/host_view.ts";
import { Host } from "../../src/dataplane/host.ts";
import { OwnSources } from "../../src/dataplane/own_sources.ts";
import { formatIP, parseIP } from "../../src/net/ip.ts";
import { formatPrefix } from "../../src/net/prefix.ts";
import { Node } from "./dataplane_node.ts";

const ip = (text: string) => parseIP(text)!;

/** What a kg picks that has chosen nothing yet: `endpoint internal`. */
function pick({ connection }: Node): string {
  const options = { kiloInterface: "kilo0", internalCidr: [], prioritisePrivateAddresses: false };
  const { endpointIP, internalIP } = discover(viewHost(new Host(connection), []), options);
  return `${formatIP(endpointIP)} ${internalIP ? formatPrefix(internalIP) : "-"}`;
}

Deno.test("what a VIP manager, DHCP or a privacy extension adds sorts first, and is not chosen", () => {
  using node = new Node();
  node.ip("addr add 10.0.0.11/24 dev eth0"); // secondary
  assert.equal(pick(node), "10.0.0.1 10.0.0.1/24");
  node.ip("addr add 10.0.0.0/32 dev eth0");
  assert.equal(pick(node), "10.0.0.1 10.0.0.1/24");
  node.ip("addr add 1.0.0.1/24 dev eth0 valid_lft 900 preferred_lft 900");
  node.ip("addr add 9.0.0.1/24 dev eth0");
  assert.equal(pick(node), "9.0.0.1 10.0.0.1/24", "permanent ones first");
  node.ip("addr del 9.0.0.1/24 dev eth0");
  node.ip("addr add 1.1.0.1/24 dev eth0 valid_lft 900 preferred_lft 0");
  assert.equal(pick(node), "1.0.0.1 10.0.0.1/24", "a lease before what is deprecated");
  node.ip("addr add 9.0.0.1/32 peer 9.0.0.2/32 dev eth0");
  assert.equal(pick(node), "9.0.0.1 10.0.0.1/24", "the end of a line is no VIP");
});

Deno.test("a tun or tap device is a tunnel, as the kernel tells of it", () => {
  using node = new Node();
  for (const mode of ["tun", "tap"]) {
    node.ip(`tuntap add ${mode}9 mode ${mode}`);
    node.ip(`addr add 1.2.3.${mode === "tun" ? 4 : 5}/24 dev ${mode}9`);
    node.ip(`addr add 10.0.0.${mode === "tun" ? 4 : 5}/32 dev ${mode}9`);
    node.ip(`link set ${mode}9 up`);
  }
  assert.equal(pick(node), "10.0.0.1 10.0.0.1/24");
  node.ip("addr flush dev eth0");
  assert.equal(pick(node), "1.2.3.4 10.0.0.4/32");
  node.ip("route add default dev tap9");
  assert.equal(pick(node), "1.2.3.5 10.0.0.5/32", "a tap that carries the default route is none");
  node.ip("route del default");
  node.ip("route add default dev tun9");
  assert.equal(pick(node), "1.2.3.4 10.0.0.4/32");
});

Deno.test("wayTo() is the kernel's choice of device and source, until something changes", () => {
  using node = new Node();
  const host = new Host(node.connection);
  const eth0 = node.index("eth0");
  const way = (to: string) => {
    const found = host.wayTo(ip(to));
    return found && { ...found, source: found.source && formatIP(found.source) };
  };
  assert.deepEqual(way("10.0.0.9"), { oif: eth0, source: "10.0.0.1" });
  assert.deepEqual(way("192.0.2.1"), { oif: eth0, source: "10.0.0.1" });
  assert.deepEqual(way("fd00::9"), { oif: eth0, source: "fd00::1" });
  assert.equal(way("10.4.0.9")?.oif, node.index("kilo0"));
  assert.equal(way("2001:db8::1"), undefined, "no route");
  node.ip("route add blackhole 10.9.0.0/24");
  assert.equal(way("10.9.0.1"), undefined);
  node.ip("addr add 10.0.0.7/32 dev eth0");
  node.ip("route add 192.0.2.1 dev eth0 src 10.0.0.7");
  assert.deepEqual(way("192.0.2.1"), { oif: eth0, source: "10.0.0.7" });
  node.sends = 0;
  host.wayTo(ip("192.0.2.1"));
  assert.equal(node.sends, 0, "asked once");
  node.ip("route del 192.0.2.1");
  host.invalidate("route");
  assert.deepEqual(way("192.0.2.1"), { oif: eth0, source: "10.0.0.1" });
});

Deno.test("canSendFrom() is true for what the kernel takes as preferred source", () => {
  using node = new Node();
  node.ip("link set kilo1 down");
  node.namespace.run("sysctl -qw net.ipv6.conf.kilo0.accept_dad=1");
  node.ip("addr add 10.7.0.1/32 dev lo");
  node.ip("addr add fd00::7/64 dev kilo0"); // tentative as long as there is no carrier
  const host = new Host(node.connection);
  for (const text of ["10.0.0.1", "10.7.0.1", "10.0.0.9", "fd00::1", "fd00::7", "fd00::9"]) {
    const isV6 = text.includes(":");
    const destination = isV6 ? "2001:db8::/64" : "192.0.2.0/24";
    let isTaken = true;
    try {
      node.ip(`${isV6 ? "-6 " : ""}route add ${destination} dev eth0 src ${text}`);
      node.ip(`${isV6 ? "-6 " : ""}route del ${destination}`);
    } catch {
      isTaken = false;
    }
    assert.equal(host.canSendFrom(ip(text)), isTaken, text);
  }
});

Deno.test("addresses on a device that came unnoticed belong to it", () => {
  using node = new Node();
  const host = new Host(node.connection);
  assert.equal(host.links.length, 5);
  node.ip("link add up0 type bridge");
  node.ip("addr add 9.0.0.1/24 dev up0");
  host.invalidate("address");
  const view = viewHost(host, []);
  const found = view.interfaces.find(({ name }) => name === "up0");
  assert.deepEqual(found?.addresses.map(({ prefix }) => formatPrefix(prefix)), ["9.0.0.1/24"]);
});

Deno.test("OwnSources notices an address that has gone, unless it was an inner one", () => {
  using node = new Node();
  const sources = new OwnSources();
  const lost = (...commands: string[]) => {
    for (const command of commands) node.ip(command);
    return sources.hasLost(new Host(node.connection), { interfaceName: "kilo0" });
  };
  assert.ok(!lost(), "the first time nothing is known");
  assert.ok(!lost("addr add 10.0.0.2/32 dev eth0", "addr add 10.7.0.1/32 dev lo"));
  assert.ok(lost("addr del 10.0.0.2/32 dev eth0"));
  assert.ok(!lost(), "once");
  assert.ok(!lost("addr del 10.7.0.1/32 dev lo", "addr del 10.4.0.1/16 dev kilo0"));
  assert.ok(!lost("addr add 10.0.0.1/32 dev eth0", "addr del 10.0.0.1/24 dev eth0"), "still there");
  assert.ok(lost("addr flush dev eth0"));
});
