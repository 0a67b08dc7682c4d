import assert from "node:assert/strict";
import { affectsMesh, type EventFilter } from "../../../src/dataplane/event_filter.ts";
import { equalIP, parseIP } from "../../../src/net/ip.ts";
import { formatPrefix, parsePrefix } from "../../../src/net/prefix.ts";
import { addAddress, deleteAddress } from "../../../src/netlink/address.ts";
import type { EventKind } from "../../../src/netlink/events.ts";
import { createLink, setLink } from "../../../src/netlink/link.ts";
import {
  type Message,
  readMessages,
  type Request,
  writeMessage,
} from "../../../src/netlink/message.ts";
import { addRoute, replaceRoute, type RouteEntry, routeEntry } from "../../../src/netlink/route.ts";
import { addRule } from "../../../src/netlink/rule.ts";
import { Writer } from "../../../src/netlink/writer.ts";

const FILTER: EventFilter = {
  names: new Set(["kilo0", "tunl0"]),
  devices: new Set([2, 7]),
  addresses: [parseIP("10.1.0.11")!],
  isWanted: (ip) => equalIP(ip, parseIP("10.5.0.1")),
};

/** Requests look like the events they cause. */
function event(request: Request): Message {
  const out = new Writer();
  writeMessage(out, request, { sequence: 0, flags: 0 });
  return readMessages(out.bytes())[0]!;
}

function affects(kind: EventKind, request: Request) {
  return affectsMesh({ kind, messages: [event(request)], overflow: false }, FILTER);
}

Deno.test("affectsMesh() knows our devices by name and by index", () => {
  assert.ok(affects("link", createLink({ name: "tunl0", kind: "ipip" })));
  assert.ok(!affects("link", createLink({ name: "veth9", kind: "veth" })));
  const named = (index: number): Request => ({
    ...setLink({ index, name: "" }, {}),
    write(out) {
      createLink({ name: "renamed", kind: "" }).write(out);
      out.view.setInt32(20, index, true);
    },
  });
  assert.ok(affects("link", named(7)));
  assert.ok(!affects("link", named(8)));
});

Deno.test("affectsMesh() knows addresses by their device, and ours wherever they are", () => {
  const address = (index: number, text: string) =>
    addAddress({ index, prefix: parsePrefix(text)! });
  assert.ok(affects("address", address(7, "10.99.0.1/24")));
  assert.ok(affects("address", address(9, "10.1.0.11/24")));
  assert.ok(affects("address", address(9, "10.1.0.12/24")), "a network on link is kept");
  assert.ok(!affects("address", address(9, "10.1.0.12/32")));
  assert.ok(!affects("address", address(9, "fe80::1/64")));
});

Deno.test("affectsMesh() knows a new address that is wanted, wherever it is", () => {
  const wanted = { index: 9, prefix: parsePrefix("10.5.0.1/32")! };
  assert.ok(affects("address", addAddress(wanted)));
  assert.ok(!affects("address", deleteAddress(wanted)));
});

Deno.test("affectsMesh() knows policy rules by their protocol", () => {
  const rule = (protocol: number) =>
    addRule({
      ...{ family: 4, priority: 9, src: undefined, iif: undefined, table: 1107, protocol },
      dst: parsePrefix("10.0.0.1/32")!,
    });
  assert.ok(affects("rule", rule(107)));
  assert.ok(!affects("rule", rule(0)));
});

Deno.test("affectsMesh() passes over others' routes that take nothing's place of ours", () => {
  const route = (text: string, { protocol = 186, metric = 0, via = "" } = {}) =>
    routeEntry({ dst: parsePrefix(text)!, oif: 9, protocol, metric, gateway: parseIP(via) });
  const filter = {
    ...FILTER,
    isRival: ({ dst, metric }: RouteEntry) => metric === 0 && formatPrefix(dst) === "10.42.1.0/24",
  };
  const matters = (request: Request) =>
    affectsMesh({ kind: "route", messages: [event(request)], overflow: false }, filter);
  assert.ok(matters(addRoute(route("10.42.9.0/24", { protocol: 107 }))));
  assert.ok(matters(addRoute(route("0.0.0.0/0"))), "the underlay");
  assert.ok(matters(replaceRoute(route("10.42.1.0/24"))));
  assert.ok(!matters(replaceRoute(route("10.42.1.0/24", { metric: 20 }))));
  assert.ok(!matters(replaceRoute(route("16.0.0.1/32"))));
  assert.ok(!matters(addRoute(route("10.42.1.0/24", { via: "10.0.0.1" }))), "it is behind ours");
  assert.ok(matters(addRoute(route("10.42.7.0/24", { protocol: 4 }))), "a network on link");
  assert.ok(!matters(addRoute(route("10.42.7.0/24", { protocol: 4, via: "10.0.0.1" }))));
  assert.ok(!matters(addRoute(route("10.42.7.1/32", { protocol: 4 }))), "a pod");
});

Deno.test("affectsMesh() is true for every event that it cannot read", () => {
  const foreign = createLink({ name: "veth9", kind: "veth" });
  assert.ok(
    affectsMesh({ kind: "link", messages: [event(foreign)], overflow: false }, undefined),
  );
  for (const kind of ["link", "address", "route", "rule", "nftables"] as const) {
    assert.ok(affectsMesh({ kind, messages: [], overflow: true }, FILTER));
    const message = { ...event(foreign), payload: new DataView(new ArrayBuffer(1)) };
    assert.ok(affectsMesh({ kind, messages: [message], overflow: false }, FILTER), kind);
  }
});
