/**
 * Wire goldens. Requests are what iproute2 6.1 sends for the command named (recorded with strace;
 * sequence number and NLM_F_ACK are ours), answers what Linux 6.18 lists after it.
 */

import { deepEqual, equal, throws } from "node:assert/strict";
import { parseIP } from "../../../src/net/ip.ts";
import { parsePrefix, type Prefix } from "../../../src/net/prefix.ts";
import { addAddress, deleteAddress, parseAddress } from "../../../src/netlink/address.ts";
import { MalformedError } from "../../../src/netlink/error.ts";
import { createLink, deleteLink, parseLink, setLink } from "../../../src/netlink/link.ts";
import { type Request, writeMessage } from "../../../src/netlink/message.ts";
import {
  addRoute,
  deleteRoute,
  parseRoute,
  replaceRoute,
  routeEntry,
} from "../../../src/netlink/route.ts";
import { addRule, deleteRule, parseRule, type RuleEntry } from "../../../src/netlink/rule.ts";
import { Writer } from "../../../src/netlink/writer.ts";
import { message, only } from "./fake_kernel.ts";

const prefix = (text: string): Prefix => parsePrefix(text)!;
const ip = (text: string) => parseIP(text)!;

function encode(request: Request): string {
  const out = new Writer();
  writeMessage(out, request, { sequence: 0, flags: 0 });
  return out.bytes().toHex();
}

const received = (type: number, hex: string) =>
  only(message({ type, sequence: 0, payload: Uint8Array.fromHex(hex) }));

const rule: RuleEntry = {
  family: 4,
  priority: 32000,
  src: prefix("10.4.0.0/16"),
  dst: prefix("10.5.0.1/32"),
  iif: "br0",
  table: 1107,
  protocol: 107,
};

const REQUESTS: readonly [command: string, Request, string][] = [
  [
    // iproute2 leaves NLA_F_NESTED and the NUL of the kind away.
    "ip link add br1 mtu 1400 type bridge",
    createLink({ name: "br1", kind: "bridge", mtu: 1400 }),
    "400000001000010600000000000000000000000000000000000000000000000008000400780500000800030062723100" +
    "100012800b00010062726964676500" + "00",
  ],
  [
    "ip link set br1 mtu 1380 up",
    setLink({ index: 3, name: "br1" }, { up: true, mtu: 1380 }),
    "2800000010000100000000000000000000000000030000000100000001000000" + "0800040064050000",
  ],
  [
    "ip link del br1",
    deleteLink({ index: 3, name: "br1" }),
    "2000000011000100000000000000000000000000030000000000000000000000",
  ],
  [
    "ip address add fd00::1/64 dev br0",
    addAddress({ index: 2, prefix: prefix("fd00::1/64") }),
    "400000001400010600000000000000000a40000002000000" +
    "14000200fd00000000000000000000000000000114000100fd000000000000000000000000000001",
  ],
  [
    "ip address add 10.9.0.1 peer 10.9.0.2/32 dev br0",
    addAddress({ index: 2, prefix: prefix("10.9.0.1/32"), peer: ip("10.9.0.2") }),
    "2800000014000106000000000000000002200000020000000" + "80002000a090001080001000a090002",
  ],
  [
    "ip route add 10.5.0.0/16 via 10.77.0.1 dev br0 table 1107 onlink proto 107 src 10.4.0.1",
    addRoute(routeEntry({
      dst: prefix("10.5.0.0/16"),
      gateway: ip("10.77.0.1"),
      oif: 2,
      table: 1107,
      onlink: true,
      protocol: 107,
      source: ip("10.4.0.1"),
    })),
    "4400000018000106000000000000000002100000006b000104000000080001000a050000080005000a4d0001" +
    "08000f0053040000080007000a0400010800040002000000",
  ],
  [
    "ip -6 route replace fd01::/64 via fd00::2 dev br0 proto 107 metric 5",
    replaceRoute(routeEntry({
      dst: prefix("fd01::/64"),
      gateway: ip("fd00::2"),
      oif: 2,
      protocol: 107,
      metric: 5,
    })),
    "540000001800010500000000000000000a400000fe6b00010000000014000100fd01000000000000000000000000" +
    "000014000500fd00000000000000000000000000000208000600050000000800040002000000",
  ],
  [
    "ip route add 10.6.0.0/16 via inet6 fe80::2 dev br0 proto 107 onlink",
    addRoute(routeEntry({
      dst: prefix("10.6.0.0/16"),
      gateway: ip("fe80::2"),
      oif: 2,
      onlink: true,
      protocol: 107,
    })),
    "4400000018000106000000000000000002100000fe6b000104000000080001000a060000160012000a00fe800000" +
    "00000000000000000000000200000800040002000000",
  ],
  [
    "ip rule add from 10.4.0.0/16 to 10.5.0.1 iif br0 lookup 1107 priority 32000 protocol 107",
    addRule(rule),
    "4c00000020000106000000000000000002201000000000010000000008000200" +
    "0a040000080001000a050001080003006272300008000f005304000008000600007d0000050015006b000000",
  ],
  [
    // A deletion of iproute2 names no action.
    "ip -6 rule del to fd01::/64 lookup 1107 priority 32000 protocol 107",
    deleteRule({ ...rule, family: 6, src: undefined, dst: prefix("fd01::/64"), iif: undefined }),
    "480000002100010000000000000000000a4000000000000100000000" +
    "14000100fd01000000000000000000000000000008000f005304000008000600007d0000050015006b000000",
  ],
];

for (const [command, request, golden] of REQUESTS) {
  Deno.test(`a request is that of \`${command}\``, () => equal(encode(request), golden));
}

Deno.test("requests say what they try", () => {
  const route = routeEntry({ dst: prefix("10.5.0.0/16"), table: 1107 });
  deepEqual(
    [
      createLink({ name: "kilo0", kind: "wireguard" }),
      setLink({ index: 1, name: "kilo0" }, { up: false }),
      setLink({ index: 1, name: "kilo0" }, { up: true, mtu: 1420 }),
      deleteLink({ index: 1, name: "kilo0" }),
      deleteAddress({ index: 1, prefix: prefix("10.4.0.1/16") }),
      addAddress({ index: 1, prefix: prefix("10.9.0.1/32"), peer: ip("10.9.0.2") }),
      deleteRoute(route),
      addRule(rule),
      deleteRule({ ...rule, src: undefined, dst: undefined, iif: undefined }),
    ].map((it) => it.describe()),
    [
      "create link kilo0 of kind wireguard",
      "set link kilo0 down",
      "set link kilo0 up mtu 1420",
      "delete link kilo0",
      "delete address 10.4.0.1/16 on link 1",
      "add address 10.9.0.1/32 peer 10.9.0.2 on link 1",
      "delete route 10.5.0.0/16 table 1107",
      "add rule priority 32000 from 10.4.0.0/16 to 10.5.0.1/32 iif br0 lookup 1107",
      "delete rule priority 32000 lookup 1107",
    ],
  );
});

Deno.test("parseLink() reads `ip link add br0 address 02:00:00:00:00:01 mtu 1400 type bridge`", () => {
  // Shortened: a whole answer has 1,400 bytes.
  const body = "00000100" + "02000000" + "43100100" + "00000000" + "0800030062723000" +
    "0800040078050000" + "0a000100020000000001" + "0000" + "10001200" + "0b00010062726964676500" +
    "00";
  deepEqual(parseLink(received(16, body)), {
    index: 2,
    name: "br0",
    kind: "bridge",
    type: 1,
    mtu: 1400,
    up: true,
    running: true,
    loopback: false,
    address: Uint8Array.of(2, 0, 0, 0, 0, 1),
    master: undefined,
  });
});

Deno.test("parseLink() leaves out what a bridge tells of its ports", () => {
  equal(parseLink(received(16, "07000100" + "02000000" + "43100100" + "00000000")), undefined);
});

Deno.test("parseAddress() reads `ip addr add 10.9.0.1 peer 10.9.0.2/32 dev br0`", () => {
  deepEqual(
    parseAddress(received(
      20,
      "0220800002000000080001000a090002080002000a0900010800030062723000080008008000000014000600" +
        "ffffffffffffffff1126040011260400",
    )),
    {
      index: 2,
      prefix: prefix("10.9.0.1/32"),
      peer: ip("10.9.0.2"),
      scope: 0,
      protocol: 0,
      flags: 0x80, // permanent
    },
  );
});

Deno.test("parseAddress() reads `ip addr add fd00::1/64 dev br0 nodad`", () => {
  deepEqual(
    parseAddress(received(
      20,
      "0a4082000200000014000100fd00000000000000000000000000000114000600" +
        "ffffffffffffffff12260400122604000800080082000000",
    )),
    {
      index: 2,
      prefix: prefix("fd00::1/64"),
      peer: undefined,
      scope: 0,
      protocol: 0,
      flags: 0x82, // permanent, without DAD
    },
  );
});

const ROUTES: readonly [command: string, string, Parameters<typeof routeEntry>[0]][] = [
  [
    "ip route add 10.5.0.0/16 via 10.77.0.1 dev br0 table 1107 onlink proto 107 src 10.9.0.1",
    "02100000fc6b00011400000008000f0053040000080001000a050000080007000a090001080005000a4d0001" +
    "0800040002000000",
    {
      dst: prefix("10.5.0.0/16"),
      gateway: ip("10.77.0.1"),
      oif: 2,
      table: 1107,
      onlink: true,
      protocol: 107,
      source: ip("10.9.0.1"),
    },
  ],
  [
    "ip route add 10.6.0.0/16 tos 4 via inet6 fe80::2 dev br0 proto 107 onlink metric 7",
    "02100004fe6b00010400000008000f00fe000000080001000a0600000800060007000000160012000a00fe80" +
    "000000000000000000000000000200000800040002000000",
    {
      dst: prefix("10.6.0.0/16"),
      tos: 4,
      gateway: ip("fe80::2"),
      oif: 2,
      onlink: true,
      metric: 7,
      protocol: 107,
    },
  ],
  [
    "ip route add default proto 107 nexthop dev br0 weight 1 nexthop via 10.9.0.2 dev br0 weight 2",
    "02000000fe6b00011000000008000f00fe0000001c00090008001000020000001000100102000000080005000a090002",
    { dst: prefix("0.0.0.0/0"), scope: 0, multipath: true, protocol: 107 },
  ],
  [
    "ip route add blackhole 10.7.0.0/16 proto 107",
    "02100000fe6b00060000000008000f00fe000000080001000a070000",
    { dst: prefix("10.7.0.0/16"), type: 6, protocol: 107 },
  ],
  [
    "ip -6 route add default via fd00::2 dev br0 proto 107",
    "0a000000fe6b00011000000008000f00fe000000080006000004000014000500fd00000000000000000000000000" +
    "0002080004000200000024000c00" + "00".repeat(32) + "0500140000000000",
    { dst: prefix("::/0"), gateway: ip("fd00::2"), oif: 2, protocol: 107 },
  ],
];

for (const [command, golden, fields] of ROUTES) {
  Deno.test(`parseRoute() reads \`${command}\` as what it asks for`, () => {
    deepEqual(parseRoute(received(24, golden)), routeEntry(fields));
  });
}

Deno.test("parseRoute() leaves out what is no route of anyone's", () => {
  const header = (family: string, type: string, flags: string) =>
    `${family}000000fe0200${type}${flags}`;
  equal(parseRoute(received(24, header("02", "01", "00020000"))), undefined, "cached");
  equal(parseRoute(received(24, header("1c", "01", "00000000"))), undefined, "MPLS");
  for (const type of ["02", "03", "04", "05"]) {
    equal(parseRoute(received(24, header("02", type, "00000000"))), undefined, "derived");
  }
  const mapped = "0a800000fe0200010000000014000100" + "00000000000000000000ffff0a000001";
  equal(parseRoute(received(24, mapped)), undefined, "IPv4 in IPv6 form");
});

Deno.test("routeEntry() is what the kernel makes of a desired route", () => {
  const entry = routeEntry({ dst: prefix("fd01::7/64"), tos: 4, scope: 253 });
  deepEqual([entry.dst, entry.metric, entry.tos, entry.scope, entry.table, entry.type], [
    prefix("fd01::/64"),
    1024,
    0,
    0,
    254,
    1,
  ]);
  equal(routeEntry({ dst: prefix("10.0.0.0/8") }).scope, 253);
  equal(routeEntry({ dst: prefix("10.0.0.0/8"), gateway: ip("10.1.1.1") }).scope, 0);
});

Deno.test("parseRule() reads the rule that addRule() made", () => {
  deepEqual(
    parseRule(received(
      32,
      "02201000fc0000010000000008000f005304000008000e00ffffffff050015006b000000080003006272300008000600" +
        "007d0000080001000a050001080002000a040000",
    )),
    rule,
  );
});

Deno.test("parseRule() leaves out rules that look up no table", () => {
  equal(parseRule(received(32, "020000000000000600000000")), undefined);
});

Deno.test("parsers refuse impossible prefix lengths, and wrong lengths", () => {
  throws(() => parseRoute(received(24, "02210000fe0200010000000008000100" + "0a000000")), {
    name: "MalformedError",
    message: "a route with a prefix length of 33",
  });
  throws(() => parseAddress(received(20, "0a81000002000000" + "14000100" + "fd".repeat(16))), {
    message: "an address with a prefix length of 129",
  });
  throws(
    () => parseRule(received(32, "02ff00000000000100000000" + "08000100" + "0a000000")),
    MalformedError,
  );
  throws(() => parseRoute(received(24, "02000000fe020001000000000" + "6000400" + "02000000")), {
    message: "RTA_OIF: 2 bytes cannot be u32",
  });
  throws(() => parseLink(received(16, "0000")), MalformedError);
});
