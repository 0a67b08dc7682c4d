import assert from "node:assert/strict";
import { decodeAnswer, encodeQuestion, isAskable } from "../../../src/dns/message.ts";
import { formatIP } from "../../../src/net/ip.ts";

const question = { id: 0x1234, name: "a.example", type: "A" } as const;

const hex = (text: string) =>
  Uint8Array.from(text.trim().split(/\s+/), (byte) => parseInt(byte, 16));

/** `dig +noedns a.example A`, as it goes over the wire. */
const QUERY = "12 34 01 00 00 01 00 00 00 00 00 00 01 61 07 65 78 61 6d 70 6c 65 00 00 01 00 01";
const NAMED = QUERY.slice(36); // the question alone
const header = (flags: string, answers: string, additional = "00 00") =>
  `12 34 ${flags} 00 01 ${answers} 00 00 ${additional} ${NAMED}`;
/** a.example is an alias of b, further on, whose owner is a pointer into the alias. */
const ALIAS = "c0 0c 00 05 00 01 00 00 00 3c 00 04 01 62 c0 0e";
const ADDRESS = "c0 27 00 01 00 01 00 00 00 3c 00 04 0a 00 00 07";

const decode = (text: string) => {
  const answer = decodeAnswer(hex(text), question);
  return answer?.kind === "addresses" ? answer.ips.map(formatIP) : answer;
};

Deno.test("encodeQuestion() writes what dig writes", () => {
  assert.deepEqual(encodeQuestion(question), hex(QUERY));
});

Deno.test("decodeAnswer() follows aliases, in whatever order", () => {
  assert.deepEqual(decode(`${header("81 80", "00 02")} ${ALIAS} ${ADDRESS}`), ["10.0.0.7"]);
  const first = "01 62 c0 0e 00 01 00 01 00 00 00 3c 00 04 0a 00 00 07";
  const alias = "c0 0c 00 05 00 01 00 00 00 3c 00 02 c0 1b";
  assert.deepEqual(decode(`${header("81 80", "00 02")} ${first} ${alias}`), ["10.0.0.7"]);
  const circle = "c0 0c 00 05 00 01 00 00 00 3c 00 02 c0 0c";
  assert.deepEqual(decode(`${header("81 80", "00 01")} ${circle}`), []);
});

Deno.test("decodeAnswer() tells no name, no address, no knowledge and no room apart", () => {
  assert.deepEqual(decode(header("81 83", "00 00")), { kind: "no such name" });
  assert.deepEqual(decode(header("81 80", "00 00")), []);
  assert.deepEqual(decode(header("81 82", "00 00")), { kind: "failure", why: "SERVFAIL" });
  assert.deepEqual(decode(header("81 85", "00 00")), { kind: "failure", why: "REFUSED" });
  assert.deepEqual(decode(header("81 00", "00 00")), { kind: "failure", why: "lame delegation" });
  assert.deepEqual(decode(header("83 80", "00 00")), { kind: "truncated" });
});

Deno.test("decodeAnswer() takes nothing that is not an answer to the question", () => {
  const good = `${header("81 80", "00 01")} c0 0c 00 01 00 01 00 00 00 3c 00 04 0a 00 00 07`;
  assert.deepEqual(decode(good), ["10.0.0.7"]);
  assert.deepEqual(decode(good.replace("01 61 07", "01 41 07")), ["10.0.0.7"]); // A is a
  for (
    const bad of [
      good.replace("12 34", "12 35"), // another id
      good.replace("81 80", "01 80"), // a question
      good.replace("01 61 07", "01 62 07"), // about another name
      good.replace("00 00 01 00 01", "00 00 1c 00 01"), // another type
      good.slice(0, -3), // cut off
      good.slice(0, 30),
      "",
      `${header("81 80", "00 02")} c0 0c 00 01 00 01 00 00 00 3c 00 04 0a 00 00 07`, // one is missing
      `${header("81 80", "00 01")} c0 1b 00 01 00 01 00 00 00 3c 00 04 0a 00 00 07`, // in circles
    ]
  ) assert.deepEqual(decode(bad), undefined, bad);
});

Deno.test("isAskable() knows how long labels and names may be", () => {
  assert(isAskable("a".repeat(63) + ".b"));
  assert(!isAskable("a".repeat(64) + ".b"));
  const long = ["a", "b", "c"].map((letter) => letter.repeat(63)).join(".");
  assert(isAskable(`${long}.${"d".repeat(61)}`));
  assert(!isAskable(`${long}.${"d".repeat(62)}`));
  for (const name of ["", "a..b", ".a", "ä.example", "a b"]) assert(!isAskable(name), name);
});
