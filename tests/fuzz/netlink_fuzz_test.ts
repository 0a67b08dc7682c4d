/**
 * Real answers of a kernel, damaged at random, through everything that reads them: all that may
 * happen is a typed error. `NETLINK_FUZZ_SEED` repeats a run.
 */

import { ok } from "node:assert/strict";
import { affectsMesh } from "../../src/dataplane/event_filter.ts";
import { parseAddress } from "../../src/netlink/address.ts";
import { Connection } from "../../src/netlink/connection.ts";
import { parseConnection } from "../../src/netlink/conntrack.ts";
import { readEvents } from "../../src/netlink/events.ts";
import { resolveFamily } from "../../src/netlink/genetlink.ts";
import { listLinks, parseLink } from "../../src/netlink/link.ts";
import { type Message, readAnswer, readMessages } from "../../src/netlink/message.ts";
import { parseRoute } from "../../src/netlink/route.ts";
import { parseRule } from "../../src/netlink/rule.ts";
import { fakeTransport, message } from "../unit/netlink/fake_kernel.ts";
import { damage, expectTyped, fuzzer } from "./damage.ts";

const CASES = 200_000;

/** Payloads by message type, of Linux 6.18 (see tests/unit/netlink/rtnetlink_test.ts and conntrack_test.ts). */
const ANSWERS = ([
  [
    2,
    "deffffff2c000000180005060600000000000000270001004174747269627574652066" +
    "61696c656420706f6c6963792076616c69646174696f6e00000800020024000000240004800c00040000000000" +
    "000000000c000500ffffffff000000000800010004000000",
  ],
  [
    3,
    "feffffff23000100697076343a20464942207461626c6520646f6573206e6f742065786973740000",
  ],
  [
    16,
    "00000100020000004310010000000000" + "0800030062723000" + "0800040078050000" +
    "0a0001000200000000010000" + "100012000b0001006272696467650000",
  ],
  [
    20,
    "0220800002000000080001000a090002080002000a0900010800030062723000080008008000000014000600" +
    "ffffffffffffffff1126040011260400",
  ],
  [
    24,
    "02100000fc6b00011400000008000f0053040000080001000a050000080007000a090001080005000a4d0001" +
    "0800040002000000",
  ],
  [
    24,
    "02100004fe6b00010400000008000f00fe000000080001000a0600000800060007000000160012000a00fe80" +
    "000000000000000000000000000200000800040002000000",
  ],
  [
    24,
    "02000000fe6b00011000000008000f00fe0000001c00090008001000020000001000100102000000080005000a090002",
  ],
  [
    32,
    "02201000fc0000010000000008000f005304000008000e00ffffffff050015006b000000080003006272300008000600" +
    "007d0000080001000a050001080002000a040000",
  ],
  [
    0x100,
    "020000003400018014000180080001000a2a0002080002000a2b00011c0002800500010011000000060002001267" +
    "000006000300003500003400028014000180080001000a2b000108000200c00002011c0002800500010011000000" +
    "0600020000350000060003001267000008000300000001980800080000000000" +
    "08000c0025e96cb708000b000000000108000700000000" + "1d",
  ],
  // nlctrl: CTRL_ATTR_FAMILY_NAME, _FAMILY_ID, _VERSION, and operations in nests.
  [
    16,
    "010200000b0002006e6c6374726c00000600010010000000080003000200000008000400000000000800050" +
    "00a00000018000680140001000800010003000000080002000e000000",
  ],
] as const).map(([type, payload]) => [type, Uint8Array.fromHex(payload)] as const);

const PARSERS = new Map<number, (message: Message) => unknown>([
  [16, parseLink],
  [20, parseAddress],
  [24, parseRoute],
  [32, parseRule],
  [0x100, parseConnection],
]);

Deno.test("whatever the kernel answers, reading it ends, in a value or a typed error", () => {
  fuzzer(fuzz);
});

const FILTER = {
  names: new Set(["kilo0"]),
  devices: new Set([7]),
  addresses: [],
  isWanted: () => false,
};

function readRefusal(message: Message): unknown {
  return readAnswer(message, () => "fuzz");
}

function fuzz(below: (limit: number) => number): void {
  const outcomes = { fine: 0, refused: 0 };
  for (let count = 0; count < CASES; count++) {
    const [type, payload] = ANSWERS[count % ANSWERS.length]!;
    const fields = { type, sequence: 1, flags: 0x200 };
    const whole = message({ ...fields, payload });
    // Mostly the message is sound and its content is not.
    const bytes = below(4) === 0
      ? damage(whole, below)
      : message({ ...fields, payload: damage(payload, below) });
    const parse = PARSERS.get(type) ?? readRefusal;
    outcomes[expectTyped("parsing", bytes, () => readMessages(bytes).forEach(parse))]++;
    if (count % 8 === 0) fuzzConnection(bytes, whole);
    if (count % 8 === 1) {
      for (const other of [...PARSERS.values(), readRefusal]) {
        expectTyped("parsing", bytes, () => readMessages(bytes).forEach(other));
      }
    }
  }
  // Neither all nor nothing may be refused, or the damage is not what it should be.
  ok(outcomes.fine > CASES / 10 && outcomes.refused > CASES / 10, JSON.stringify(outcomes));
}

/** As answers to a fresh connection's first request, whose sequence number is 1. */
function fuzzConnection(bytes: Uint8Array<ArrayBuffer>, whole: Uint8Array<ArrayBuffer>): void {
  const transport = () => fakeTransport(() => [whole, bytes, whole]);
  const connect = () => new Connection(transport());
  const request = { kind: "", describe: () => "fuzz", type: 16, flags: 0, write: () => {} };
  expectTyped("execute()", bytes, () => connect().execute([request]));
  expectTyped("batch()", bytes, () => connect().batch([request, request]));
  expectTyped("listLinks()", bytes, () => listLinks(connect()));
  expectTyped("resolveFamily()", bytes, () => resolveFamily(connect(), "wireguard"));
  const events = transport();
  expectTyped("readEvents()", bytes, () => {
    for (const kind of ["link", "address", "route", "rule"] as const) {
      events.send(whole);
      const happened = readEvents(events, { kind, own: new Set() });
      if (happened) affectsMesh(happened, FILTER);
    }
  });
}
