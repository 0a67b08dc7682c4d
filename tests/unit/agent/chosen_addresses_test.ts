/** Addresses come and go; which are chosen then. */

import assert from "node:assert/strict";
import { discover, type Discovery, isWanted, isWorse } from "../../../src/agent/discovery.ts";
import type { HostView } from "../../../src/agent/host_view.ts";
import { parseIP } from "../../../src/net/ip.ts";
import { parsePrefix } from "../../../src/net/prefix.ts";
import { host, pick } from "./hosts.ts";

/** What a host has, what was chosen, and what is picked then. */
type Case = readonly [
  why: string,
  view: HostView,
  wanted: string,
  options?: Parameters<typeof pick>[1],
];

function check(cases: readonly Case[]): void {
  for (const [why, view, wanted, options] of cases) {
    assert.equal(pick(view, options), wanted, why);
  }
}

const OWN = "10.1.0.11/24";
const BOTH = "198.51.100.11/24 10.1.0.11/24";
const CHOSEN = { chosen: "198.51.100.11 10.1.0.11" };

Deno.test("discover() keeps what was chosen, whatever comes beside it", () => {
  const kept = "198.51.100.11 10.1.0.11/24";
  const beside = (eth0: string) => host({ eth0: `${BOTH} ${eth0}` }, { via: "eth0" });
  const other = { eth0: BOTH, eth1: "10.0.0.1/24 1.0.0.1/24" };
  const cases: readonly Case[] = [
    ["alone", beside(""), kept],
    ["secondary ones", beside("10.1.0.100/24,secondary 198.51.100.1/24,secondary"), kept],
    ["single ones", beside("10.1.0.1/32 198.51.100.1/32"), kept],
    ["other networks'", beside("10.0.0.1/24 1.0.0.1/24"), kept],
    ["IPv6 ones", beside("fd00::1/64 2001:db8::1/64 fd00::2/128"), kept],
    ["another device's", host(other), kept],
    ["another device's, that sends", host(other, { via: "eth1" }), kept],
    ["the host name's", host(other, { name: "1.0.0.1 10.0.0.1" }), kept],
    ["on another device now", host({ eth0: "10.0.0.1/24", eth1: BOTH }), kept],
    [
      "secondary itself",
      host({ eth0: "198.51.100.11/32 10.1.0.1/24 10.1.0.11/24,secondary" }),
      kept,
    ],
    [
      "leased itself",
      host({ eth0: "198.51.100.11/24,leased 10.1.0.1/24 10.1.0.11/24,leased" }),
      kept,
    ],
    [
      "with another length",
      host({ eth0: "10.0.0.1/24 10.1.0.11/16 198.51.100.11/28" }),
      "198.51.100.11 10.1.0.11/16",
    ],
  ];
  check(cases.map(([why, view, wanted]) => [why, view, wanted, CHOSEN]));
  check([[
    "tentative for a moment",
    host({ eth0: "fd00::1/64 fd00::11/64,tentative" }),
    "fd00::11 fd00::11/64",
    { chosen: "fd00::11 fd00::11" },
  ]]);
});

Deno.test("discover() leaves what was chosen for a better class, or when it may not be used", () => {
  const internalCidr = [parsePrefix("10.1.0.0/24")!];
  const both = { chosen: "10.1.0.11 10.1.0.11" };
  const vpn = { chosen: "100.64.0.1 10.9.0.1" };
  check([
    [
      "public before private",
      host({ eth0: `${OWN} 203.0.113.9/32` }),
      "203.0.113.9 10.1.0.11/24",
      both,
    ],
    [
      "a public IPv6 one, too",
      host({ eth0: `${OWN} 2001:db8::9/64` }),
      "2001:db8::9 10.1.0.11/24",
      both,
    ],
    [
      "not on a tunnel before that",
      host({ "vpn tun": "100.64.0.1/10 10.9.0.1/24", eth0: OWN }),
      "10.1.0.11 10.1.0.11/24",
      vpn,
    ],
    ["outside --internal-cidr", host({ eth0: `10.0.0.9/24 ${OWN}` }), "10.1.0.11 10.1.0.11/24", {
      chosen: "10.0.0.9 10.0.0.9",
      internalCidr,
    }],
    ["on the Kilo interface", host({ kilo0: "10.0.0.9/24", eth0: OWN }), "10.1.0.11 10.1.0.11/24", {
      chosen: "10.0.0.9 10.0.0.9",
    }],
    [
      "gone",
      host({ eth0: `10.1.0.21/24 10.1.0.100/24,secondary` }),
      "10.1.0.21 10.1.0.21/24",
      both,
    ],
    ["somebody else's", host({ eth0: "fd00::1/64,duplicate fd00::2/64" }), "fd00::2 fd00::2/64", {
      chosen: "fd00::1 fd00::1",
    }],
    [
      "renumbered",
      host({ eth0: "2001:db8::1/64,deprecated 2001:db8:1::2/64" }),
      "2001:db8:1::2 -",
      { chosen: "2001:db8::1" },
    ],
    [
      "deprecated, but the only one",
      host({ eth0: "fd00::1/64,deprecated" }),
      "fd00::1 fd00::1/64",
      { chosen: "fd00::1 fd00::1" },
    ],
    ["another published address", host({ eth0: BOTH }), "10.1.0.11 10.1.0.11/24", {
      ...CHOSEN,
      prioritisePrivateAddresses: true,
    }],
    ["that published address again", host({ eth0: BOTH }), "198.51.100.11 10.1.0.11/24", both],
  ]);
});

Deno.test("discover() prefers, among new ones of a group, an address that stays where it is", () => {
  const over = (worse: string, good = OWN): Case => [
    worse,
    host({ eth0: `${worse} ${good}` }, { via: "eth0" }),
    `${good.split("/")[0]} ${good.split(",")[0]}`,
  ];
  check([
    over("10.1.0.100/24,secondary"),
    over("10.1.0.100/24,leased"),
    over("10.1.0.100/32"),
    over("10.0.0.1/32,leased"),
    over("10.1.0.100/24,host"),
    over("10.1.0.100/24,deprecated"),
    over("10.1.0.100/32", "10.1.0.11/24,leased"),
    over("10.1.0.100/24,secondary", "10.1.0.11/24,leased"),
    over("10.1.0.100/24,temporary", "10.1.0.11/24,leased"),
    over("10.1.0.100/32", "10.1.0.11/32,peer"),
    over("10.1.0.100/32", "fd00::11/64"),
    over("fd00::100/128", "10.1.0.11/24"),
    over("fd00::100/128", "fd00::11/64"),
    over("fd00::100/64,temporary", "fd00::11/64"),
    over("fd00::100/64,temporary", "fd00::11/64,leased"),
    over("fd00::100/64,deprecated", "fd00::11/64"),
  ]);
  check([
    [
      "a cloud leases a /32 and sets IPv6",
      host({ eth0: "203.0.113.5/32,leased 2001:db8::1/64" }, { via: "eth0" }),
      "203.0.113.5 -",
    ],
    [
      "groups come first",
      host({ eth0: "10.1.0.100/32", eth1: OWN }, { via: "eth0" }),
      "10.1.0.100 10.1.0.100/32",
    ],
    [
      "the host name's, too",
      host({ eth0: `${OWN} 10.1.0.100/32` }, { via: "eth0", name: "10.1.0.100" }),
      "10.1.0.100 10.1.0.100/32",
    ],
    [
      "nothing but that",
      host({ eth0: "10.1.0.100/24,temporary" }),
      "10.1.0.100 10.1.0.100/24",
    ],
  ]);
});

Deno.test("discover() takes a tunnel's address only where there is no other", () => {
  const lan = "192.168.1.11/24";
  const own = "192.168.1.11 192.168.1.11/24";
  const internalCidr = [parsePrefix("10.100.0.0/24")!];
  check([
    [
      "Tailscale",
      host({ eth0: lan, "tailscale0 tun": "100.101.102.103/32" }, { via: "eth0" }),
      own,
    ],
    ["WireGuard", host({ eth0: lan, "wg0 wireguard": "10.100.0.1/24" }, { via: "eth0" }), own],
    [
      "WireGuard that sends",
      host({ eth0: lan, "wg0 wireguard": "10.100.0.1/24" }, { via: "wg0" }),
      own,
    ],
    [
      "the host name's",
      host({ eth0: lan, "wg0 wireguard": "10.100.0.1/24" }, { name: "10.100.0.1" }),
      own,
    ],
    ["another WireGuard", host({ "awg0 amneziawg": "10.100.0.1/24", eth0: lan }), own],
    ["a tap", host({ "zt0 tap": "10.100.0.1/24 1.2.3.4/24", eth0: lan }, { via: "eth0" }), own],
    [
      "a public one beside it",
      host({ "wg0 wireguard": "10.100.0.1/24", eth0: "203.0.113.1/24" }),
      "203.0.113.1 -",
    ],
    [
      "several",
      host({ "wg0 wireguard": "10.100.0.1/24", "ts tun": "100.64.0.1/32", eth0: BOTH }),
      "198.51.100.11 10.1.0.11/24",
    ],
    [
      "no other",
      host({ "wg0 wireguard": "10.100.0.1/24", "ts tun": "100.64.0.1/32" }),
      "100.64.0.1 10.100.0.1/24",
    ],
    [
      "no other but link-local ones",
      host({ eth0: "fe80::1/64 169.254.1.1/16", "wg0 wireguard": "10.100.0.1/24" }),
      "10.100.0.1 10.100.0.1/24",
    ],
    [
      "no other but the bridge's",
      host({ "kube-bridge": "10.42.1.1/24", "wg0 wireguard": "10.100.0.1/24" }),
      "10.100.0.1 10.100.0.1/24",
    ],
    [
      "people ask for it",
      host({ "wg0 wireguard": "10.100.0.1/24", eth0: lan }),
      "10.100.0.1 10.100.0.1/24",
      { internalCidr },
    ],
    [
      "people ask for it beside",
      host({ "wg0 wireguard": "10.100.0.1/24", eth0: BOTH }),
      "198.51.100.11 10.100.0.1/24",
      { internalCidr },
    ],
    ["chosen when there was no other", host({ "wg0 wireguard": "10.100.0.1/24", eth0: lan }), own, {
      chosen: "10.100.0.1 10.100.0.1",
    }],
    [
      "chosen and still no other",
      host({ "wg0 wireguard": "10.0.0.1/24 10.100.0.1/24" }),
      "10.100.0.1 10.100.0.1/24",
      { chosen: "10.100.0.1 10.100.0.1" },
    ],
    [
      "PPPoE",
      host({ eth0: lan, "ppp0 ppp": "203.0.113.5/32,peer" }, { via: "ppp0" }),
      "203.0.113.5 192.168.1.11/24",
    ],
    [
      "PPPoE without its kind",
      host({ eth0: lan, "ppp0 oldppp": "203.0.113.5/32,peer" }, { via: "ppp0" }),
      "203.0.113.5 192.168.1.11/24",
    ],
    [
      "PPPoE as second way out",
      host({ eth0: lan, "ppp0 ppp": "203.0.113.5/32,peer" }, { via: "eth0 ppp0" }),
      "203.0.113.5 192.168.1.11/24",
    ],
    [
      "PPPoE as one of several ways",
      host({ eth0: lan, "ppp0 ppp": "203.0.113.5/32,peer" }, { via: "multipath" }),
      "203.0.113.5 192.168.1.11/24",
    ],
    [
      "another's ppp",
      host({ "ppp0 ppp": "10.0.0.5/32,peer 203.0.113.5/32", eth0: lan }, { via: "eth0" }),
      own,
    ],
    [
      "a container's tap",
      host({ docker0: "172.17.0.1/16", "tap0 tap": "10.0.2.100/24" }, { via: "tap0" }),
      "10.0.2.100 10.0.2.100/24",
    ],
    ["a modem", host({ "wwan0 modem": "100.64.0.9/30", eth0: lan }), "100.64.0.9 192.168.1.11/24"],
    [
      "the kernel's wwan",
      host({ "wwan0 wwan": "100.64.0.9/30", eth0: lan }),
      "100.64.0.9 192.168.1.11/24",
    ],
    ["a veth", host({ "veth0 veth": OWN }), "10.1.0.11 10.1.0.11/24"],
  ]);
});

function found(view: HostView): Discovery {
  return discover(view, {
    kiloInterface: "kilo0",
    internalCidr: [],
    prioritisePrivateAddresses: false,
  });
}

Deno.test("isWorse() tells a loss from a replacement", () => {
  const before = found(host({ eth0: BOTH }));
  const worse = (eth0: string) => isWorse(found(host({ eth0 })), before);
  assert.deepEqual(
    [
      BOTH,
      "198.51.100.11/24 10.1.0.21/24",
      "198.51.100.11/24 10.1.0.21/24,leased",
      "198.51.100.11/24",
      "198.51.100.11/24 10.1.0.100/32",
      OWN,
      "198.51.100.100/24,secondary 10.1.0.11/24",
    ].map(worse),
    [false, false, false, true, true, true, true],
  );
});

Deno.test("isWanted() says which new address would make a difference", () => {
  const wanted = (view: HostView) => {
    const texts = ["10.9.9.9", "203.0.113.9", "fd00::9", "2001:db8::9", "fe80::9", "169.254.0.9"];
    return texts.filter((text) => isWanted(parseIP(text)!, found(view))).join(" ");
  };
  assert.equal(wanted(host({ eth0: BOTH })), "");
  assert.equal(wanted(host({ eth0: OWN })), "203.0.113.9 2001:db8::9");
  assert.equal(wanted(host({ eth0: "203.0.113.1/24" })), "10.9.9.9 fd00::9");
  const tunnel = host({ "wg0 wireguard": "10.100.0.1/24 203.0.113.1/24" });
  assert.equal(wanted(tunnel), "10.9.9.9 203.0.113.9 fd00::9 2001:db8::9");
  assert.ok(isWanted(parseIP("10.9.9.9")!, undefined));
  assert.ok(!isWanted(parseIP("fe80::9")!, undefined));
});
