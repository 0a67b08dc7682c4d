/** Real answers of nf_tables (Linux 6.18), damaged at random, through everything that reads them. */

import { ok } from "node:assert/strict";
import { affectsFirewall } from "../../src/dataplane/firewall/event.ts";
import { type Message, readMessages } from "../../src/netlink/message.ts";
import { readChain } from "../../src/netlink/nftables/chain.ts";
import { readElements } from "../../src/netlink/nftables/element.ts";
import { readGeneration } from "../../src/netlink/nftables/generation.ts";
import { readRule } from "../../src/netlink/nftables/rule.ts";
import { readSet } from "../../src/netlink/nftables/set.ts";
import { readTable } from "../../src/netlink/nftables/table.ts";
import { message } from "../unit/netlink/fake_kernel.ts";
import { damage, expectTyped, fuzzer } from "./damage.ts";

const CASES = 100_000;

const readElements4 = (message: Message) => readElements([message], "ipv4_addr");
const readElements6 = (message: Message) => readElements([message], "ipv6_addr");

const ANSWERS: readonly (readonly [type: number, read: (m: Message) => unknown, hex: string])[] = [
  [0xa0f, readGeneration, "00000053080001000000005308000200000018160a00030064656e6f000000"],
  [
    0xa00,
    readTable,
    "02000002090001006b696c6f0000000008000300000000040c00040000000000000000010800020000000000",
  ],
  [
    0xa03,
    readChain,
    "02000002090001006b696c6f0000000010000300706f7374726f7574696e67000c0002000000000000000002" +
    "140004000800010000000004080002000000005f0800050000000001080007006e61740008000a0000000001" +
    "0800060000000002",
  ],
  [
    0xa03,
    readChain,
    "02000002090001006b696c6f000000000c000300666f7277617264000c000200000000000000000408000600" +
    "00000001",
  ],
  [
    0xa06,
    readRule,
    "02000002090001006b696c6f0000000010000200706f7374726f7574696e67000c0003000000000000000005" +
    "98000400340001000c0001007061796c6f616400240002000800010000000001080002000000000108000300" +
    "000000100800040000000004300001000b0001006c6f6f6b75700000200002000a0001006b6e6f776e000000" +
    "08000200000000010800050000000000300001000e000100696d6d6564696174650000001c00020008000100" +
    "00000000100002000c00020008000100fffffffb12000700000c4b696c6f3a206b6e6f776e000000",
  ],
  [
    0xa06,
    readRule,
    "02000002090001006b696c6f000000000c000200666f7277617264000c0003000000000000000008fc000400" +
    "340001000c0001007061796c6f61640024000200080001000000000108000200000000010800030000000" +
    "00c0800040000000004300001000b0001006c6f6f6b75700000200002000a0001006b6e6f776e00000008" +
    "00020000000001080005000000000024000100090001006d6574610000000014000200080002000000000" +
    "308000100000000014c0001000c00010062697477697365003c0002000800010000000001080002000000" +
    "0001080003000000000408000600000000000c00040008000100ffffffef0c00050008000100000000102" +
    "4000100090001006d657461000000001400020008000200000000030800030000000001",
  ],
  [
    0xa09,
    readSet,
    "02000002090001006b696c6f000000000a0002006b6e6f776e0000000c001000000000000000000108000300" +
    "00000004080004000000000708000500000000040a000d000004020000000000040009000800140000000002",
  ],
  [
    0xa0c,
    readElements4,
    "02000002090001006b696c6f000000000a0002006b6e6f776e000000600003001c0001000c00010008000100" +
    "ffffff000a0006000104010000000000180001000c000100080001000a2a0100080003000000000110000100" +
    "0c000100080001000a2a0000180001000c00010008000100000000000800030000000001",
  ],
  [
    0xa0c,
    readElements6,
    "0a000002090001006b696c6f000000000a0002006b6e6f776e00000068000300240001001800010014000100" +
    "fd00000000000001000000000000000008000300000000011c0001001800010014000100fd00000000000000" +
    "0000000000000000240001001800010014000100000000000000000000000000000000000800030000000001",
  ],
];

Deno.test("whatever nf_tables answers, reading it ends, in a value or a typed error", () => {
  const answers = ANSWERS.map(([type, read, hex]) =>
    ({ type, read, payload: Uint8Array.fromHex(hex) }) as const
  );
  fuzzer((below) => {
    const outcomes = { fine: 0, refused: 0 };
    for (let count = 0; count < CASES; count++) {
      const { type, read, payload } = answers[count % answers.length]!;
      const bytes = message({ type, sequence: 1, flags: 2, payload: damage(payload, below) });
      outcomes[expectTyped("reading", bytes, () => readMessages(bytes).forEach(read))]++;
      expectTyped("sorting", bytes, () => readMessages(bytes).forEach(affectsFirewall));
    }
    // Neither all nor nothing may be refused, or the damage is not what it should be.
    ok(outcomes.fine > CASES / 10 && outcomes.refused > CASES / 10, JSON.stringify(outcomes));
  });
});
