/** Bytes damaged at random, and what may come of reading them. */

import { ok } from "node:assert/strict";
import { MalformedError, NetlinkError } from "../../src/netlink/error.ts";

/** Runs a test with random numbers; `NETLINK_FUZZ_SEED` repeats a run. */
export function fuzzer(test: (below: (limit: number) => number) => void): void {
  const seed = Number(Deno.env.get("NETLINK_FUZZ_SEED") ?? Date.now() >>> 0);
  console.log(`NETLINK_FUZZ_SEED=${seed}`);
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0; // most of the time would go into stack traces
  try {
    test(random(seed));
  } finally {
    Error.stackTraceLimit = limit;
  }
}

/** xorshift32: small, fast, repeatable. */
function random(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const NASTY = [0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 0x7f, 0x80, 0xfe, 0xff];

/** One to four bytes, lengths or pieces of it are not what they were. */
export function damage(
  bytes: Uint8Array,
  below: (limit: number) => number,
): Uint8Array<ArrayBuffer> {
  let damaged = bytes.slice();
  for (let times = below(4); times >= 0; times--) {
    const at = below(damaged.length || 1);
    switch (below(5)) {
      case 0:
        damaged[at] = below(256);
        break;
      case 1: // where lengths and types are
        damaged[at & ~3] = NASTY[below(NASTY.length)]!;
        break;
      case 2:
        damaged[(at & ~3) + 1] = NASTY[below(NASTY.length)]!;
        break;
      case 3:
        damaged = damaged.slice(0, at);
        break;
      case 4: { // a piece twice
        const piece = damaged.subarray(at, at + below(40));
        damaged = Uint8Array.from([...damaged.subarray(0, at), ...piece, ...damaged.subarray(at)]);
      }
    }
  }
  return damaged;
}

/** Whatever is thrown must be a typed error. */
export function expectTyped(what: string, bytes: Uint8Array, run: () => void): "fine" | "refused" {
  try {
    run();
    return "fine";
  } catch (error) {
    const typed = error instanceof MalformedError || error instanceof NetlinkError;
    ok(typed, `${what} of ${bytes.toHex()}: ${error instanceof Error ? error.stack : error}`);
    return "refused";
  }
}
