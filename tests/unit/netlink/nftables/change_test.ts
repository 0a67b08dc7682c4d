/** Messages against what nft 1.0.6 sends (`strace -e write=all`), stored under its commands. */

import { deepEqual, equal, ok, throws } from "node:assert/strict";
import {
  NF_INET_FORWARD,
  NF_INET_LOCAL_IN,
  NF_INET_POST_ROUTING,
} from "../../../../src/netlink/nftables/chain.ts";
import { encodeChange, type FirewallChange } from "../../../../src/netlink/nftables/change.ts";
import { readElements } from "../../../../src/netlink/nftables/element.ts";
import { maskAndXor } from "../../../../src/netlink/nftables/expression/bitwise.ts";
import { equal as equals } from "../../../../src/netlink/nftables/expression/cmp.ts";
import { equalExpressions } from "../../../../src/netlink/nftables/expression/equal.ts";
import type { Expression } from "../../../../src/netlink/nftables/expression/expression.ts";
import { verdict } from "../../../../src/netlink/nftables/expression/immediate.ts";
import { inSet, notInSet } from "../../../../src/netlink/nftables/expression/lookup.ts";
import { masquerade } from "../../../../src/netlink/nftables/expression/masq.ts";
import {
  loadMeta,
  NFT_META_L4PROTO,
  NFT_META_MARK,
  setMeta,
} from "../../../../src/netlink/nftables/expression/meta.ts";
import { loadNetworkHeader } from "../../../../src/netlink/nftables/expression/payload.ts";
import type { Interval } from "../../../../src/netlink/nftables/interval.ts";
import { readRule } from "../../../../src/netlink/nftables/rule.ts";
import { received, written } from "./hex.ts";

const BIT_28 = Uint8Array.of(0, 0, 0, 0x10);
const NONE = new Uint8Array(4);
const hasMark = [loadMeta(NFT_META_MARK), maskAndXor(BIT_28, NONE), equals(BIT_28)];

const ip = { family: "ip", table: "kilo" } as const;
const ip6 = { family: "ip6", table: "kilo" } as const;
const known4 = { ...ip, name: "known", type: "ipv4_addr" } as const;
const known6 = { ...ip6, name: "known", type: "ipv6_addr" } as const;

interface Golden {
  readonly nft: string;
  readonly change: FirewallChange;
  readonly type: number;
  /** `nlmsg_flags` besides NLM_F_REQUEST. */
  readonly flags: number;
  readonly hex: string;
}

const GOLDEN: readonly Golden[] = [
  {
    nft: "add table ip kilo",
    change: { kind: "table", verb: "add", table: { family: "ip", name: "kilo" } },
    type: 0xa00,
    flags: 0,
    hex: "02000000090001006b696c6f000000000800020000000000",
  },
  {
    nft: "delete table ip6 kilo",
    change: { kind: "table", verb: "delete", table: { family: "ip6", name: "kilo" } },
    type: 0xa02,
    flags: 0,
    hex: "0a000000090001006b696c6f00000000",
  },
  {
    nft: "add set ip kilo known { type ipv4_addr; flags interval; }",
    change: { kind: "set", verb: "add", set: known4 },
    type: 0xa09,
    flags: 0x400,
    hex: "02000000090001006b696c6f000000000a0002006b6e6f776e0000000800030000000004080004000000" +
      "0007080005000000000408000a00000000010a000d000004020000000000",
  },
  {
    nft: "add set ip6 kilo known { type ipv6_addr; flags interval; }",
    change: { kind: "set", verb: "add", set: known6 },
    type: 0xa09,
    flags: 0x400,
    hex: "0a000000090001006b696c6f000000000a0002006b6e6f776e0000000800030000000004080004000000" +
      "0008080005000000001008000a00000000010a000d000004020000000000",
  },
  {
    nft: "add chain ip kilo postrouting { type nat hook postrouting priority 95; policy accept; }",
    change: {
      kind: "chain",
      verb: "add",
      chain: {
        ...ip,
        name: "postrouting",
        hook: { type: "nat", number: NF_INET_POST_ROUTING, priority: 95 },
      },
    },
    type: 0xa03,
    flags: 0x400,
    hex: "02000000090001006b696c6f0000000010000300706f7374726f7574696e6700080007006e6174000800" +
      "050000000001140004800800010000000004080002000000005f",
  },
  {
    nft: "add chain ip6 kilo input { type filter hook input priority -1; policy accept; }",
    change: {
      kind: "chain",
      verb: "add",
      chain: {
        ...ip6,
        name: "input",
        hook: { type: "filter", number: NF_INET_LOCAL_IN, priority: -1 },
      },
    },
    type: 0xa03,
    flags: 0x400,
    hex: "0a000000090001006b696c6f000000000a000300696e7075740000000b00070066696c74657200000800" +
      "05000000000114000480080001000000000108000200ffffffff",
  },
  {
    nft: "add chain ip kilo forward { type filter hook forward priority -1; policy accept; }",
    change: {
      kind: "chain",
      verb: "add",
      chain: {
        ...ip,
        name: "forward",
        hook: { type: "filter", number: NF_INET_FORWARD, priority: -1 },
      },
    },
    type: 0xa03,
    flags: 0x400,
    hex: "02000000090001006b696c6f000000000c000300666f7277617264000b00070066696c74657200000800" +
      "05000000000114000480080001000000000208000200ffffffff",
  },
  {
    nft: "delete chain ip kilo forward",
    change: { kind: "chain", verb: "delete", chain: { ...ip, name: "forward" } },
    type: 0xa05,
    flags: 0,
    hex: "02000000090001006b696c6f000000000c000300666f727761726400",
  },
  {
    nft: "insert rule ip kilo forward meta mark and 0x10000000 == 0x10000000 accept",
    change: {
      kind: "rule",
      verb: "insert",
      rule: { ...ip, chain: "forward", expressions: [...hasMark, verdict("accept")] },
    },
    type: 0xa06,
    flags: 0x400,
    hex: "02000000090001006b696c6f000000000c000200666f727761726400d000048024000180090001006d65" +
      "74610000000014000280080002000000000308000100000000014c00018" +
      "00c00010062697477697365003c00028008000100000000010800020000000001080006000000000008" +
      "000300000000040c00048008000100000000100c00058008000100000000002c00018008000100636d7" +
      "00020000280080001000000000108000200000000000c0003800800010000000010300001800e000100" +
      "696d6d6564696174650000001c0002800800010000000000100002800c0002800800010000000001",
  },
  {
    nft: "delete rule ip kilo forward handle 8",
    change: { kind: "rule", verb: "delete", chain: { ...ip, chain: "forward" }, handle: 8n },
    type: 0xa08,
    flags: 0,
    hex: "02000000090001006b696c6f000000000c000200666f7277617264000c0003000000000000000008",
  },
  {
    nft: "flush chain ip kilo forward",
    change: { kind: "rule", verb: "delete", chain: { ...ip, chain: "forward" } },
    type: 0xa08,
    flags: 0,
    hex: "02000000090001006b696c6f000000000c000200666f727761726400",
  },
];

for (const { nft, change, type, flags, hex } of GOLDEN) {
  Deno.test(`encodeChange() writes what nft writes for: ${nft}`, () => {
    const [request, ...more] = encodeChange(change);
    deepEqual(more, []);
    equal(request!.type, type);
    equal(request!.flags, flags);
    equal(written(request!), hex);
  });
}

/** nft adds ids of sets to lookups, which serve only sets without a name; so these are compared as values. */
const RULES: readonly {
  readonly nft: string;
  readonly expressions: readonly Expression[];
  readonly comment?: string;
  readonly hex: string;
}[] = [
  {
    nft: 'add rule ip kilo postrouting ip daddr @known return comment "known"',
    comment: "known",
    expressions: [loadNetworkHeader(16, 4), inSet("known"), verdict("return")],
    hex: "02000000090001006b696c6f0000000010000200706f7374726f7574696e67009800048034000180" +
      "0c0001007061796c6f616400240002800800010000000001080002000000000108000300000000100800" +
      "040000000004300001800b0001006c6f6f6b757000002000028008000200000000010a0001006b6e6f77" +
      "6e0000000800040000000001300001800e000100696d6d6564696174650000001c000280080001000000" +
      "0000100002800c00028008000100fffffffb0c00070000066b6e6f776e00",
  },
  {
    nft: "add rule ip kilo postrouting ip saddr @known masquerade",
    expressions: [loadNetworkHeader(12, 4), inSet("known"), masquerade()],
    hex: "02000000090001006b696c6f0000000010000200706f7374726f7574696e67007c00048034000180" +
      "0c0001007061796c6f6164002400028008000100000000010800020000000001080003000000000c0800" +
      "040000000004300001800b0001006c6f6f6b757000002000028008000200000000010a0001006b6e6f77" +
      "6e000000080004000000000114000180090001006d6173710000000004000280",
  },
  {
    nft: "add rule ip6 kilo input meta l4proto 4 ip6 saddr != @known drop",
    expressions: [
      loadMeta(NFT_META_L4PROTO),
      equals(Uint8Array.of(4)),
      loadNetworkHeader(8, 16),
      notInSet("known"),
      verdict("drop"),
    ],
    hex: "0a000000090001006b696c6f000000000a000200696e707574000000f0000480240001800900" +
      "01006d6574610000000014000280080002000000001008000100000000012c00018008000100636d7000" +
      "20000280080001000000000108000200000000000c0003800500010004000000340001800c0001007061" +
      "796c6f616400240002800800010000000001080002000000000108000300000000080800040000000010" +
      "380001800b0001006c6f6f6b757000002800028008000200000000010a0001006b6e6f776e0000000800" +
      "0400000000020800050000000001300001800e000100696d6d6564696174650000001c00028008000100" +
      "00000000100002800c0002800800010000000000",
  },
  {
    nft: "add rule ip kilo forward ip saddr @known meta mark set meta mark or 0x10000000",
    expressions: [
      loadNetworkHeader(12, 4),
      inSet("known"),
      loadMeta(NFT_META_MARK),
      maskAndXor(Uint8Array.of(0xff, 0xff, 0xff, 0xef), BIT_28),
      setMeta(NFT_META_MARK),
    ],
    hex: "02000000090001006b696c6f000000000c000200666f727761726400fc000480340001800c0001" +
      "007061796c6f6164002400028008000100000000010800020000000001080003000000000c0800040000" +
      "000004300001800b0001006c6f6f6b757000002000028008000200000000010a0001006b6e6f776e0000" +
      "00080004000000000124000180090001006d657461000000001400028008000200000000030800010000" +
      "0000014c00018" +
      "00c00010062697477697365003c00028008000100000000010800020000000001080006000000000008" +
      "000300000000040c00048008000100ffffffef0c00058008000100000000102400018009000100" +
      "6d657461000000001400028008000200000000030800030000000001",
  },
];

/** NFTA_RULE_HANDLE 7, which the kernel adds. */
const HANDLE = "0c0003000000000000000007";

for (const { nft, expressions, comment, hex } of RULES) {
  Deno.test(`readRule() reads the rule of: ${nft}`, () => {
    const rule = readRule(received(hex + HANDLE));
    equal(rule.handle, 7n);
    equal(rule.comment, comment);
    ok(equalExpressions(rule.expressions, expressions));
    ok(!equalExpressions(rule.expressions, [...expressions, verdict("accept")]));
  });

  Deno.test(`encodeChange() writes a rule that reads as that of: ${nft}`, () => {
    const rule = { ...ip, chain: "x", expressions, ...comment !== undefined && { comment } };
    const [request] = encodeChange({ kind: "rule", verb: "add", rule });
    const read = readRule(received(written(request!) + HANDLE));
    equal(read.comment, comment);
    ok(equalExpressions(read.expressions, expressions));
  });
}

Deno.test("equalExpressions() sees every difference in a value", () => {
  const rule = [loadNetworkHeader(12, 4), inSet("known"), verdict("return")];
  ok(equalExpressions(rule, rule));
  ok(!equalExpressions(rule, [loadNetworkHeader(16, 4), inSet("known"), verdict("return")]));
  ok(!equalExpressions(rule, [loadNetworkHeader(12, 4), notInSet("known"), verdict("return")]));
  ok(!equalExpressions(rule, [loadNetworkHeader(12, 4), inSet("other"), verdict("return")]));
  ok(!equalExpressions(rule, [loadNetworkHeader(12, 4), inSet("known"), verdict("drop")]));
  ok(!equalExpressions(hasMark, [hasMark[0]!, hasMark[1]!, equals(NONE)]));
});

Deno.test("readRule() reads the comment that iptables-nft 1.8.9 writes as a match", () => {
  // iptables -A FORWARD -m comment --comment xx -j ACCEPT, as the kernel lists it
  const info = "787800" + "00".repeat(253);
  const rule = readRule(received(
    "020000000b00010066696c74657200000c000200464f5257415244000c00030000000000000000078c0104002c" +
      "0101000a0001006d617463680000001c0102000c000100636f6d6d656e740008000200000000000401" +
      `0300${info}2c0001000c000100636f756e746572001c0002000c00010000000000000000000c000200` +
      "0000000000000000300001000e000100696d6d6564696174650000001c00020008000100000000001000" +
      "02000c0002000800010000000001",
  ));
  equal(rule.comment, "xx");
  ok(equalExpressions(rule.expressions, [verdict("accept")]));
});

Deno.test("encodeChange() refuses a comment that has no room", () => {
  const rule = { ...ip, chain: "x", expressions: [], comment: "x".repeat(128) };
  throws(() => encodeChange({ kind: "rule", verb: "add", rule }), RangeError);
});

/** nft numbers the elements; when it adds, it also puts an end at address 0 first and a remark to the last. */
const ELEMENTS: readonly { nft: string; intervals: readonly Interval[]; hex: string }[] = [
  {
    nft: "add element ip kilo known { 10.42.0.0/24 }",
    intervals: [{ start: 0x0a2a0000n, end: 0x0a2a0100n }],
    hex: "02000000090001006b696c6f000000000a0002006b6e6f776e0000000800040000000001440003801800" +
      "018008000300000000010c0001800800010000000000100002800c000180080001000a2a000018000380" +
      "08000300000000010c000180080001000a2a0100",
  },
  {
    nft: "delete element ip kilo known { 10.42.0.0/24 }",
    intervals: [{ start: 0x0a2a0000n, end: 0x0a2a0100n }],
    hex: "02000000090001006b696c6f000000000a0002006b6e6f776e0000002c000380100001800c0001800800" +
      "01000a2a00001800028008000300000000010c000180080001000a2a0100",
  },
  {
    nft: "add element ip kilo known { 255.255.255.0/24 }",
    intervals: [{ start: 0xffffff00n, end: 0x100000000n }],
    hex: "02000000090001006b696c6f000000000a0002006b6e6f776e0000000800040000000001200003801c00" +
      "01800c00018008000100ffffff000a0006000104010000000000",
  },
];

for (const { nft, intervals, hex } of ELEMENTS) {
  Deno.test(`readElements() reads the elements of: ${nft}`, () => {
    deepEqual(readElements([received(hex)], "ipv4_addr"), intervals);
  });

  Deno.test(`encodeChange() writes elements that read as those of: ${nft}`, () => {
    const [request] = encodeChange({ kind: "elements", verb: "add", set: known4, intervals });
    deepEqual(readElements([received(written(request!))], "ipv4_addr"), intervals);
  });
}

Deno.test("readElements() knows nothing of elements that are more than boundaries", () => {
  const hex = ELEMENTS[0]!.hex.replace("0800030000000001", "0800030000000002");
  equal(readElements([received(hex)], "ipv4_addr"), undefined);
});

for (
  const [set, bits, perMessage] of [[known4, 32, 1638], [known6, 128, 1023]] as const
) {
  Deno.test(`encodeChange() splits 15,000 intervals of ${set.type} by the size of an attribute`, () => {
    const intervals = Array.from({ length: 15_000 }, (_, index) => {
      const start = BigInt(index) * 4n + (1n << BigInt(bits - 1));
      return { start, end: start + 1n };
    });
    const requests = encodeChange({ kind: "elements", verb: "add", set, intervals });
    equal(requests.length, Math.ceil(15_000 / perMessage));
    const messages = requests.map((request) => received(written(request)));
    deepEqual(readElements(messages, set.type), intervals);
  });
}
