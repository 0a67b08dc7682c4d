/** Everything we write is read back by us and by iproute2. Needs root. */

import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { formatIP, parseIP } from "../../src/net/ip.ts";
import { formatPrefix, parsePrefix, type Prefix } from "../../src/net/prefix.ts";
import {
  addAddress,
  type Address,
  deleteAddress,
  IFA_F_PERMANENT,
  listAddresses,
} from "../../src/netlink/address.ts";
import { Connection } from "../../src/netlink/connection.ts";
import { resolveFamily } from "../../src/netlink/genetlink.ts";
import { createLink, deleteLink, type Link, listLinks, setLink } from "../../src/netlink/link.ts";
import {
  addRoute,
  deleteRoute,
  listRoutes,
  replaceRoute,
  type RouteEntry,
  routeEntry,
} from "../../src/netlink/route.ts";
import { addRule, deleteRule, listRules, type RuleEntry } from "../../src/netlink/rule.ts";
import { NETLINK_GENERIC, NETLINK_ROUTE, Socket } from "../../src/netlink/socket.ts";
import { NetworkNamespace } from "./namespace.ts";

const PROTOCOL = 107;
const prefix = (text: string): Prefix => parsePrefix(text)!;
const ip = (text: string) => parseIP(text)!;

function testInNamespace(
  name: string,
  body: (namespace: NetworkNamespace, connection: Connection) => void,
): void {
  Deno.test(name, () => {
    using namespace = NetworkNamespace.enter("nl");
    using connection = new Connection(Socket.open(NETLINK_ROUTE));
    body(namespace, connection);
  });
}

/** What iproute2 says, as JSON. */
function show(namespace: NetworkNamespace, command: string) {
  return JSON.parse(namespace.run(`ip -j -d ${command}`) || "[]");
}

function findLink(connection: Connection, name: string): Link | undefined {
  return listLinks(connection).find((link) => link.name === name);
}

/** A bridge that is up; its index. */
function bridge(connection: Connection, name = "br0"): number {
  deepEqual(connection.execute([createLink({ name, kind: "bridge" })]), [undefined]);
  const link = findLink(connection, name)!;
  deepEqual(connection.execute([setLink(link, { up: true })]), [undefined]);
  return link.index;
}

testInNamespace("links are created, changed, listed and deleted", (namespace, connection) => {
  const codes = (requests: Parameters<Connection["execute"]>[0]) =>
    connection.execute(requests).map((error) => error?.code);
  deepEqual(codes([createLink({ name: "br0", kind: "bridge", mtu: 1400 })]), [undefined]);
  const br0 = findLink(connection, "br0")!;
  deepEqual([br0.kind, br0.mtu, br0.up, br0.loopback], ["bridge", 1400, false, false]);
  namespace.run("ip link add va type veth peer name vb");
  namespace.run("ip link set va master br0 up");
  deepEqual(codes([setLink(br0, { up: true, mtu: 1380 })]), [undefined]);

  const ours = listLinks(connection).map((link) => ({
    ifindex: link.index,
    ifname: link.name,
    kind: link.kind,
    mtu: link.mtu,
    up: link.up,
    loopback: link.loopback,
    master: link.master,
    address: link.address?.toHex(),
  }));
  const index = (name: string) => findLink(connection, name)?.index;
  // deno-lint-ignore no-explicit-any
  const theirs = show(namespace, "link show").map((link: any) => ({
    ifindex: link.ifindex,
    ifname: link.ifname,
    kind: link.linkinfo?.info_kind,
    mtu: link.mtu,
    up: link.flags.includes("UP"),
    loopback: link.flags.includes("LOOPBACK"),
    master: link.master && index(link.master),
    address: link.address.replaceAll(":", ""),
  }));
  deepEqual(ours, theirs);
  deepEqual(ours.find((it) => it.ifname === "br0"), { ...ours[1], mtu: 1380, up: true });

  deepEqual(
    codes([
      createLink({ name: "br0", kind: "bridge" }),
      createLink({ name: "x0", kind: "nonsense" }),
      deleteLink(br0),
      deleteLink(br0),
    ]),
    ["EEXIST", "EOPNOTSUPP", undefined, "ENODEV"],
  );
  equal(findLink(connection, "br0"), undefined);
});

testInNamespace("addresses are added, listed and deleted", (namespace, connection) => {
  const index = bridge(connection);
  // In the kernel's order, narrower scopes first.
  const wanted: readonly Address[] = [
    { index, prefix: prefix("10.8.0.1/24"), scope: 253 },
    { index, prefix: prefix("10.4.0.1/16"), protocol: PROTOCOL },
    { index, prefix: prefix("10.9.0.1/32"), peer: ip("10.9.0.2") },
    { index, prefix: prefix("fd00::1/64"), protocol: PROTOCOL },
  ];
  ok(connection.execute(wanted.map(addAddress)).every((it) => it === undefined));
  ok(connection.execute(wanted.map(addAddress)).every((it) => it?.isExists()));

  const ours = listAddresses(connection);
  const withDefaults = wanted.map((it) => ({ peer: undefined, scope: 0, protocol: 0, ...it }));
  const desired = ours.filter((it) => it.index === index && it.protocol !== 3);
  deepEqual(desired.map(({ flags: _, ...it }) => it), withDefaults);
  ok(desired.every(({ flags }) => flags! & IFA_F_PERMANENT));

  const scopes: Record<number, string> = { 0: "global", 253: "link", 254: "host" };
  const byText = (texts: string[]) => texts.sort();
  // deno-lint-ignore no-explicit-any
  const theirs = show(namespace, "address show").flatMap((link: any) =>
    // deno-lint-ignore no-explicit-any
    link.addr_info.map((it: any) =>
      [link.ifindex, it.local, it.prefixlen, it.address, it.scope].join(" ")
    )
  );
  deepEqual(
    byText(ours.map((it) =>
      [
        it.index,
        formatIP(it.prefix.ip),
        it.prefix.bits,
        it.peer && formatIP(it.peer),
        scopes[it.scope!],
      ].join(" ")
    )),
    byText(theirs),
  );

  ok(connection.execute(wanted.map(deleteAddress)).every((it) => it === undefined));
  ok(connection.execute(wanted.map(deleteAddress)).every((it) => it?.isNotFound()));
});

/** As `ip -j route` tells it. */
function routeText(route: RouteEntry): string {
  const scopes: Record<number, string> = { 0: "global", 253: "link" };
  return [
    route.dst.bits === 0 ? "default" : formatPrefix(route.dst).replace(/\/(32|128)$/, ""),
    route.table,
    route.gateway && formatIP(route.gateway),
    route.source && formatIP(route.source),
    route.metric,
    scopes[route.scope],
    route.onlink,
    route.tos,
  ].join(" ");
}

function theirRoutes(namespace: NetworkNamespace): string[] {
  const family = (option: string) =>
    // deno-lint-ignore no-explicit-any
    show(namespace, `${option} -N route show table all proto ${PROTOCOL}`).map((it: any) =>
      [
        it.dst,
        it.table ?? 254,
        it.gateway ?? it.via?.host,
        it.prefsrc,
        it.metric ?? 0,
        { 0: "global", 253: "link" }[it.scope as number] ?? it.scope ?? "global",
        it.flags.includes("onlink"),
        Number(it.tos ?? 0),
      ].join(" ")
    );
  return [...family("-4"), ...family("-6")];
}

const ourRoutes = (connection: Connection): RouteEntry[] =>
  ([4, 6] as const).flatMap((family) => listRoutes(connection, { family, protocol: PROTOCOL }));

testInNamespace("routes of every shape read back as desired", (namespace, connection) => {
  const oif = bridge(connection);
  namespace.run("ip address add 10.4.0.1/16 dev br0");
  namespace.run("ip address add fd00::1/64 dev br0 nodad");
  namespace.run("ip -6 route add fd99::/64 dev br0 proto static");
  const wanted = [
    { dst: "0.0.0.0/0" },
    { dst: "10.5.0.7/16", gateway: "10.77.0.1", onlink: true, source: "10.4.0.1", table: 1107 },
    { dst: "10.6.0.0/16", gateway: "fe80::2", onlink: true, tos: 4, metric: 7 },
    { dst: "10.7.0.1/32", gateway: "10.4.0.2" },
    { dst: "10.8.0.0/24", table: 200 },
    { dst: "::/0", metric: 5 },
    { dst: "fd01::7/64", gateway: "fd00::2", source: "fd00::1" },
    { dst: "fd02::1/128", gateway: "fd77::1", onlink: true, table: 1107 },
  ].map(({ dst, gateway, source, ...rest }) =>
    routeEntry({
      ...rest,
      dst: prefix(dst),
      gateway: gateway === undefined ? undefined : ip(gateway),
      source: source === undefined ? undefined : ip(source),
      oif,
      protocol: PROTOCOL,
    })
  );
  const sorted = (routes: readonly RouteEntry[]) =>
    routes.toSorted((a, b) => routeText(a) < routeText(b) ? -1 : 1);

  deepEqual(connection.execute(wanted.map(addRoute)), wanted.map(() => undefined));
  deepEqual(sorted(ourRoutes(connection)), sorted(wanted));
  deepEqual(wanted.map(routeText).sort(), theirRoutes(namespace).sort());
  ok(connection.execute(wanted.map(addRoute)).every((it) => it?.isExists()));

  const changed = wanted.map((route) =>
    route.gateway
      ? { ...route, gateway: ip(route.dst.ip.family === 4 ? "10.4.0.9" : "fd00::9") }
      : route
  );
  deepEqual(connection.execute(changed.map(replaceRoute)), wanted.map(() => undefined));
  deepEqual(sorted(ourRoutes(connection)), sorted(changed));

  const ours = ourRoutes(connection);
  deepEqual(connection.execute(ours.map(deleteRoute)), ours.map(() => undefined));
  deepEqual(ourRoutes(connection), []);
  ok(connection.execute(ours.map(deleteRoute)).every((it) => it?.isNotFound()));
  ok(namespace.run("ip -6 route show fd99::/64").includes("static"), "not ours");
});

testInNamespace("the kernel filters routes by table and protocol", (namespace, connection) => {
  bridge(connection);
  namespace.run("ip route add 10.1.0.0/16 dev br0 table 1107 proto 107");
  namespace.run("ip route add 10.2.0.0/16 dev br0 table 1107 proto static");
  namespace.run("ip route add 10.3.0.0/16 dev br0 proto 107");
  const listed = (filter: { table?: number; protocol?: number }) =>
    listRoutes(connection, { family: 4, ...filter }).map(({ dst }) => formatPrefix(dst)).sort();
  deepEqual(listed({ table: 1107 }), ["10.1.0.0/16", "10.2.0.0/16"]);
  deepEqual(listed({ protocol: 107 }), ["10.1.0.0/16", "10.3.0.0/16"]);
  deepEqual(listed({ table: 1107, protocol: 107 }), ["10.1.0.0/16"]);
  deepEqual(listed({}), ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"]);
  deepEqual(listed({ table: 4711 }), []);
});

testInNamespace("a multipath route is known as one", (namespace, connection) => {
  bridge(connection);
  namespace.run("ip route add default proto 107 nexthop dev br0 nexthop dev lo");
  deepEqual(ourRoutes(connection).map(({ multipath, oif }) => [multipath, oif]), [[
    true,
    undefined,
  ]]);
  deepEqual(connection.execute(ourRoutes(connection).map(deleteRoute)), [undefined]);
});

testInNamespace("rules are added, listed and deleted", (namespace, connection) => {
  const rule = (fields: Partial<RuleEntry>): RuleEntry => ({
    family: 4,
    priority: 32000,
    src: undefined,
    dst: undefined,
    iif: undefined,
    table: 1107,
    protocol: PROTOCOL,
    ...fields,
  });
  const wanted = [
    rule({ src: prefix("10.4.0.0/16"), dst: prefix("10.5.0.1/32") }),
    rule({ dst: prefix("10.5.0.1/32"), iif: "br0" }),
    rule({ family: 6, priority: 31999, dst: prefix("fd01::/64"), table: 200 }),
  ];
  deepEqual(connection.execute(wanted.map(addRule)), wanted.map(() => undefined));
  ok(connection.execute(wanted.map(addRule)).every((it) => it?.isExists()));
  const ours = () => listRules(connection).filter(({ protocol }) => protocol === PROTOCOL);
  deepEqual(ours(), wanted);

  const theirs = ["-4", "-6"].flatMap((family) =>
    show(namespace, `-N ${family} rule show`)
      // deno-lint-ignore no-explicit-any
      .filter((it: any) => it.protocol === `${PROTOCOL}`)
      // deno-lint-ignore no-explicit-any
      .map((it: any) => [it.priority, it.src, it.srclen, it.dst, it.dstlen, it.iif, it.table])
  );
  deepEqual(theirs, [
    [32000, "10.4.0.0", 16, "10.5.0.1", undefined, undefined, "1107"],
    [32000, "all", undefined, "10.5.0.1", undefined, "br0", "1107"],
    [31999, "all", undefined, "fd01::", 64, undefined, "200"],
  ]);

  // Another's rule that differs in nothing but its owner stays.
  const other = { ...wanted[0]!, protocol: 4 };
  deepEqual(connection.execute([addRule(other)]), [undefined]);
  deepEqual(connection.execute(wanted.map(deleteRule)), wanted.map(() => undefined));
  deepEqual(ours(), []);
  ok(listRules(connection).some(({ protocol }) => protocol === 4));
  ok(connection.execute(wanted.map(deleteRule)).every((it) => it?.isNotFound()));
});

testInNamespace(
  "one refused request of thousands is named, the others are done",
  (_, connection) => {
    const oif = bridge(connection);
    const routes = Array.from({ length: 5000 }, (_, at) =>
      routeEntry({
        dst: { ip: { family: 4, value: 0x0b000000n + BigInt(at) * 256n }, bits: 24 },
        oif,
        protocol: PROTOCOL,
      }));
    routes[2500] = { ...routes[2500]!, oif: 4711 };
    const results = connection.execute(routes.map(addRoute));
    deepEqual(results.flatMap((error, at) => error ? [[at, error.message]] : []), [
      [2500, "add route 11.9.196.0/24 table 254: ENODEV"],
    ]);
    equal(ourRoutes(connection).length, 4999);
  },
);

Deno.test("generic netlink families have numbers, or are not found", () => {
  using connection = new Connection(Socket.open(NETLINK_GENERIC));
  equal(resolveFamily(connection, "nlctrl"), 16);
  throws(() => resolveFamily(connection, "nonsense"), {
    code: "ENOENT",
    message: "find generic netlink family nonsense: ENOENT",
  });
});

Deno.test("a socket of no such family is a NetlinkError", () => {
  throws(() => Socket.open(77), { name: "NetlinkError", code: "EPROTONOSUPPORT" });
});
