import assert from "node:assert/strict";
import { decodeAnswer, encodeQuestion } from "../../src/dns/message.ts";
import { damage, fuzzer } from "./damage.ts";

const question = { id: 0x1234, name: "a.example", type: "A" } as const;

/** An answer with an alias, whose names are pointers, and two addresses. */
const ANSWER = Uint8Array.from([
  ...[0x12, 0x34, 0x81, 0x80, 0, 1, 0, 3, 0, 0, 0, 0],
  ...encodeQuestion(question).subarray(12),
  ...[0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 4, 1, 98, 0xc0, 14],
  ...[0xc0, 39, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0, 7],
  ...[0xc0, 39, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0, 8],
]);

Deno.test("decodeAnswer() survives every damaged answer, in time", () => {
  const whole = decodeAnswer(ANSWER, question);
  assert(whole?.kind === "addresses" && whole.ips.length === 2);
  fuzzer((below) => {
    for (let trial = 0; trial < 100_000; trial++) {
      const answer = decodeAnswer(damage(ANSWER, below), question);
      if (answer?.kind === "addresses") assert(answer.ips.length <= 65_535);
    }
  });
});
