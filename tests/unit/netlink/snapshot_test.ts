import assert from "node:assert/strict";
import { Snapshot } from "../../../src/netlink/snapshot.ts";
import { message, only } from "./fake_kernel.ts";

function messages(sequence: number, ...payloads: readonly number[][]) {
  return payloads.map((payload) =>
    only(message({ type: 24, sequence, payload: Uint8Array.from(payload) }))
  );
}

Deno.test("Snapshot.equals() passes over sequence numbers and nothing else", () => {
  const before = messages(1, [1, 2, 3, 4, 5], [6, 7], []);
  const snapshot = new Snapshot(before);
  assert.ok(snapshot.equals(before));
  assert.ok(snapshot.equals(messages(2, [1, 2, 3, 4, 5], [6, 7], [])));
  const others = [
    [[1, 2, 3, 4, 0], [6, 7], []],
    [[1, 2, 3, 4, 5], [0, 7], []],
    [[1, 2, 3, 4], [5, 6, 7], []], // cut elsewhere
    [[6, 7], [1, 2, 3, 4, 5], []],
    [[1, 2, 3, 4, 5], [6, 7]],
    [[1, 2, 3, 4, 5], [6, 7], [], []],
    [],
  ];
  for (const payloads of others) {
    assert.ok(!snapshot.equals(messages(1, ...payloads)), JSON.stringify(payloads));
  }
  assert.ok(new Snapshot([]).equals([]));
});

Deno.test("Snapshot keeps what the messages said, whatever becomes of their memory", () => {
  const [one] = messages(1, [1, 2, 3]);
  const snapshot = new Snapshot([one!]);
  one!.payload.setUint8(0, 9);
  assert.ok(!snapshot.equals([one!]));
  assert.ok(snapshot.equals(messages(1, [1, 2, 3])));
});
