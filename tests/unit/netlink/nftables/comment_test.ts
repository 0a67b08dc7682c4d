import { equal } from "node:assert/strict";
import { decodeComment, encodeComment } from "../../../../src/netlink/nftables/comment.ts";

Deno.test("decodeComment() reads what encodeComment() writes", () => {
  for (const comment of ["Kilo: x", "", "ü".repeat(63)]) {
    equal(decodeComment(encodeComment(comment)), comment);
  }
});

Deno.test("decodeComment() finds the comment behind other user data", () => {
  equal(decodeComment(Uint8Array.of(7, 2, 1, 1, 0, 2, 0x78, 0)), "x");
});

Deno.test("decodeComment() makes nothing of what is no user data", () => {
  equal(decodeComment(Uint8Array.of()), undefined);
  equal(decodeComment(Uint8Array.of(0)), undefined);
  equal(decodeComment(Uint8Array.of(0, 200, 1)), undefined);
  equal(decodeComment(Uint8Array.of(1, 0, 1, 0)), undefined);
});
