import { deepEqual, equal, throws } from "node:assert/strict";
import { MalformedError, type NetlinkError } from "../../../src/netlink/error.ts";
import {
  NLM_F_CREATE,
  NLM_F_DUMP,
  readAnswer,
  readMessages,
  type Request,
  requestAck,
  writeMessage,
} from "../../../src/netlink/message.ts";
import { Writer } from "../../../src/netlink/writer.ts";
import { only } from "./fake_kernel.ts";

const request: Request = {
  kind: "thing",
  describe: () => "add thing",
  type: 24,
  flags: NLM_F_CREATE,
  write: (out) => out.append(Uint8Array.of(1, 2, 3)),
};

function read(hex: string): NetlinkError | undefined {
  return readAnswer(only(Uint8Array.fromHex(hex)), () => "add thing");
}

Deno.test("writeMessage() writes header and body, padded; requestAck() changes one message", () => {
  const out = new Writer();
  writeMessage(out, request, { sequence: 5, flags: NLM_F_DUMP });
  const second = out.length;
  writeMessage(out, request, { sequence: 6, flags: 0 });
  requestAck(out, second);
  equal(
    out.bytes().toHex(),
    "13000000" + "1800" + "0107" + "05000000" + "00000000" + "01020300" +
      "13000000" + "1800" + "0504" + "06000000" + "00000000" + "01020300",
  );
});

Deno.test("readMessages() finds every message of a datagram", () => {
  const out = new Writer();
  for (const sequence of [1, 2]) writeMessage(out, request, { sequence, flags: 0 });
  const messages = readMessages(out.bytes());
  deepEqual(messages.map(({ type, sequence, payload }) => [type, sequence, payload.byteLength]), [
    [24, 1, 3],
    [24, 2, 3],
  ]);
});

Deno.test("readMessages() refuses lengths that lie", () => {
  const header = (length: string) => length + "1800" + "0100" + "05000000" + "00000000";
  for (const length of ["00000000", "0f000000", "11000000", "ffffffff"]) {
    throws(() => readMessages(Uint8Array.fromHex(header(length))), MalformedError);
  }
  throws(() => readMessages(Uint8Array.fromHex("10000000")), MalformedError);
  throws(() => readMessages(Uint8Array.fromHex(header("10000000") + "0000")), MalformedError);
});

// Answers of Linux 6.18, received.

Deno.test("readAnswer() takes number 0 for success", () => {
  equal(
    read("240000000200000108000000125c0000" + "00000000" + "28000000120005000800000000000000"),
    undefined,
  );
});

Deno.test("readAnswer() reads a refusal: ip route add 10.5.0.0/16 dev (index 99)", () => {
  const error = read(
    "240000000200000105000000125c0000" + "edffffff" + "2c000000180005060500000000000000",
  );
  deepEqual([error?.code, error?.sequence, error?.kernelMessage, error?.isNotFound()], [
    "ENODEV",
    5,
    undefined,
    true,
  ]);
  equal(error?.message, "add thing: ENODEV");
});

Deno.test("readAnswer() reads the extended acknowledgement of a capped refusal: RTA_OIF of one byte", () => {
  const error = read(
    "780000000200000306000000125c0000" + "deffffff" + "2c000000180005060600000000000000" +
      "27000100417474726962757465206661696c656420706f6c6963792076616c69646174696f6e0000" +
      "0800020024000000" +
      "240004800c00040000000000000000000c000500ffffffff000000000800010004000000",
  );
  deepEqual([error?.code, error?.kernelMessage, error?.attributeOffset], [
    "ERANGE",
    "Attribute failed policy validation",
    36,
  ]);
  equal(error?.message, "add thing: ERANGE (Attribute failed policy validation)");
});

Deno.test("readAnswer() looks behind the repeated request when the refusal is not capped", () => {
  const error = read(
    "34000000" + "0200" + "0002" + "06000000" + "00000000" + "efffffff" +
      "15000000180005060600000000000000" + "0102030405000000" + "06000100" + "6e6f0000",
  );
  deepEqual([error?.code, error?.kernelMessage, error?.isExists()], ["EEXIST", "no", true]);
});

Deno.test("readAnswer() reads an error in the end of a dump: ip route show table 99", () => {
  const error = read(
    "380000000300220207000000125c0000" + "feffffff" +
      "23000100697076343a20464942207461626c6520646f6573206e6f742065786973740000",
  );
  deepEqual([error?.code, error?.kernelMessage], ["ENOENT", "ipv4: FIB table does not exist"]);
});

Deno.test("readAnswer() refuses answers too short to be one", () => {
  throws(
    () => read("12000000" + "02000000" + "01000000" + "00000000" + "edff0000"),
    MalformedError,
  );
  // Says that it has more to tell, but ends before.
  throws(
    () => read("14000000" + "02000002" + "01000000" + "00000000" + "edffffff"),
    MalformedError,
  );
});

Deno.test("readAnswer() is not led astray by a length above 2^31 in the repeated request", () => {
  const error = read(
    "24000000" + "02000002" + "01000000" + "00000000" + "edffffff" +
      "2c0000d1180005060600000000000000",
  );
  deepEqual([error?.code, error?.kernelMessage], ["ENODEV", undefined]);
});
