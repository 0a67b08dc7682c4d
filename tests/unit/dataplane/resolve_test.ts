import assert from "node:assert/strict";
import { resolveRoutes, resolveRules } from "../../../src/dataplane/resolve.ts";
import { formatIP, parseIP } from "../../../src/net/ip.ts";
import { formatPrefix, parsePrefix } from "../../../src/net/prefix.ts";
import type { DeviceRole, Route } from "../../../src/net/route.ts";
import type { RouteEntry } from "../../../src/netlink/route.ts";

const DEVICES = { kilo: 7, private: 2, tunnel: 9 };

function route(text: string): Route {
  const [dst, ...words] = text.split(" ");
  const values = new Map<string, string>();
  for (let at = 0; at < words.length; at += 2) values.set(words[at]!, words[at + 1]!);
  const gateway = parseIP(values.get("via") ?? "");
  const source = parseIP(values.get("src") ?? "");
  const device = values.get("dev") as DeviceRole | undefined;
  const table = values.get("table");
  return {
    dst: parsePrefix(dst!)!,
    ...gateway && { gateway },
    ...source && { source },
    ...device && { device },
    ...table && { table: Number(table) },
    onlink: gateway !== undefined,
  };
}

function print(entry: RouteEntry): string {
  const { dst, gateway, oif, source, table, metric, protocol, scope, onlink } = entry;
  return `${formatPrefix(dst)}${gateway ? ` via ${formatIP(gateway)}` : ""} oif ${oif}` +
    (source ? ` src ${formatIP(source)}` : "") + ` table ${table} metric ${metric}` +
    ` proto ${protocol} scope ${scope}${onlink ? " onlink" : ""}`;
}

Deno.test("resolveRoutes() makes kernel entries of desired routes", () => {
  const { entries, warnings } = resolveRoutes([
    route("10.42.1.7/24 via 10.4.0.2 dev kilo src 10.0.0.1"),
    route("10.5.0.1/32 dev kilo src fd00::1"),
    route("10.0.0.5/32 via 10.0.0.5 dev tunnel table 1107"),
    route("10.43.0.0/24 via fd00::5 dev private"),
    route("fd42::7/64 via fd04::2 dev kilo src 10.0.0.1"),
  ], DEVICES);
  assert.deepEqual(warnings, []);
  assert.deepEqual(entries.map(print), [
    "10.42.1.0/24 via 10.4.0.2 oif 7 src 10.0.0.1 table 254 metric 0 proto 107 scope 0 onlink",
    "10.5.0.1/32 oif 7 table 254 metric 0 proto 107 scope 253",
    "10.0.0.5/32 via 10.0.0.5 oif 9 table 1107 metric 0 proto 107 scope 0 onlink",
    "10.43.0.0/24 via fd00::5 oif 2 table 254 metric 0 proto 107 scope 0 onlink",
    "fd42::/64 via fd04::2 oif 7 table 254 metric 1023 proto 107 scope 0 onlink",
  ]);
});

Deno.test("resolveRoutes() leaves out what the kernel cannot carry, with one warning a reason", () => {
  const { entries, warnings } = resolveRoutes([
    route("fd42::/64 via 10.0.0.5 dev private"),
    route("fd43::/64 via 10.0.0.6 dev private"),
    route("fd42::/64 via fd00::5 dev tunnel"),
    route("10.42.0.0/24 via fd00::5 dev tunnel"),
    route("10.42.1.0/24"),
    route("10.42.2.0/24 dev kilo"),
    route("10.42.3.0/24 dev private"),
  ], { ...DEVICES, kilo: undefined });
  assert.deepEqual(entries.map(({ dst }) => formatPrefix(dst)), ["10.42.3.0/24"]);
  assert.equal(warnings.length, 4);
  assert.match(warnings[0]!.text, /to fd42::\/64 first: IPv6 cannot go through an IPv4 gateway/);
});

Deno.test("resolveRoutes() lets the later of two routes to one network count", () => {
  const { entries } = resolveRoutes([
    route("10.42.0.1/24 dev kilo"),
    route("10.42.0.0/24 dev kilo table 1107"),
    route("10.42.0.9/24 dev private"),
    route("10.42.0.0/25 dev kilo"),
  ], DEVICES);
  assert.deepEqual(entries.map(({ oif, table, dst }) => [oif, table, dst.bits]), [
    [2, 254, 24],
    [7, 1107, 24],
    [7, 254, 25],
  ]);
});

Deno.test("resolveRules() masks, joins equal rules and leaves out mixed families", () => {
  const rule = (src: string, dst: string) => ({
    src: parsePrefix(src)!,
    dst: parsePrefix(dst)!,
    table: 1107,
  });
  const { entries, warnings } = resolveRules([
    rule("10.42.0.1/24", "10.0.0.5/32"),
    rule("10.42.0.0/24", "10.0.0.5/32"),
    { dst: parsePrefix("10.0.0.5/32")!, iif: "kilo", table: 1107 },
    rule("10.42.0.0/24", "fd00::5/128"),
  ], { interfaceName: "wg9" });
  assert.deepEqual(entries.map(({ src, iif }) => [src && formatPrefix(src), iif]), [
    ["10.42.0.0/24", undefined],
    [undefined, "wg9"],
  ]);
  assert.match(
    warnings.map(({ text }) => text).join("\n"),
    /^rules left out, to fd00::5\/128 first: .*families$/,
  );
});
