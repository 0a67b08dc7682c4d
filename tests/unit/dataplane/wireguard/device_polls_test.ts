import assert from "node:assert/strict";
import { DevicePolls } from "../../../../src/dataplane/wireguard/device_polls.ts";

/** When the device is polled in the time given, with additions at these times. */
function pollsUntil(
  end: number,
  { additions = [] as readonly number[], peerCount = 10 } = {},
): number[] {
  const polls = new DevicePolls();
  const times: number[] = [];
  let due = polls.polled(0, peerCount);
  const left = [...additions];
  for (;;) {
    const addition = left[0] ?? Infinity;
    if (Math.min(due, addition) > end) return times;
    if (addition <= due) {
      left.shift();
      due = addition + polls.added(addition, peerCount);
    } else {
      times.push(due);
      due += polls.polled(due, peerCount);
    }
  }
}

Deno.test("DevicePolls are each 5 s, rarer with many peers", () => {
  assert.deepEqual(pollsUntil(20_000), [5000, 10_000, 15_000, 20_000]);
  assert.deepEqual(pollsUntil(40_000, { peerCount: 2000 }), [20_000, 40_000]);
});

Deno.test("DevicePolls follow an addition at ever longer intervals", () => {
  const polls = pollsUntil(20_000, { additions: [1000] });
  assert.deepEqual(polls, [1250, 1750, 2750, 4750, 8750, 13_750, 18_750]);
});

Deno.test("DevicePolls see a handshake about as late as it came after the addition, at most", () => {
  for (const peerCount of [1, 500, 5000]) {
    const first = Math.min(250 * Math.max(1, peerCount / 500), 1000);
    const polls = pollsUntil(600_000, { additions: [0], peerCount });
    for (let handshake = 0; handshake < 100_000; handshake += 37) {
      const seen = polls.find((poll) => poll >= handshake)!;
      assert.ok(seen - handshake <= handshake + first, `${handshake} of ${peerCount}: ${seen}`);
    }
  }
});

Deno.test("DevicePolls are not put off by more additions", () => {
  const additions = Array.from({ length: 300 }, (_, at) => 100 * at);
  const polls = pollsUntil(30_000, { additions });
  polls.reduce((last, poll) => {
    assert.ok(poll - last <= 500, `${last}, then ${poll}`);
    return poll;
  }, 0);
  assert.ok(polls.length <= 130, "4 a second are enough");
});
