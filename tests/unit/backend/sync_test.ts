import assert from "node:assert/strict";
import { SyncWatch } from "../../../src/backend/file/sync.ts";

/** The wall clock at monotonic 0, in milliseconds. */
const WALL = 1_700_000_000_000;

/** Feeds a watch with what each node's `last-seen` is, in seconds after the start. */
function watch() {
  const sync = new SyncWatch("own");
  const nodes = new Map<string, { lastSeen: number }>();
  return {
    sync,
    at(second: number, changes: Readonly<Record<string, number | undefined>> = {}) {
      for (const [name, lastSeen] of Object.entries(changes)) {
        if (lastSeen === undefined) nodes.delete(name);
        else nodes.set(name, { lastSeen: WALL / 1000 + lastSeen });
      }
      const monotonic = second * 1000;
      sync.observe(nodes, { monotonic, wall: WALL + monotonic });
      return [sync.liveUntil / 1000, sync.isOutage(monotonic)];
    },
  };
}

Deno.test("SyncWatch knows no outage where no other node is expected to say anything", () => {
  const { at } = watch();
  assert.deepEqual(at(0, { own: 0, dead: -3600, written: 1e9 }), [Infinity, false]);
  assert.deepEqual(at(1000), [Infinity, false]);
});

Deno.test("SyncWatch counts no time in which no other node says anything", () => {
  const { at } = watch();
  assert.deepEqual(at(0, { own: 0, a: 0, b: -10 }), [29, false]);
  assert.deepEqual(at(20, { b: 20 }), [49, false]);
  assert.deepEqual(at(79, { own: 60 }), [49, false]);
  assert.deepEqual(at(80), [49, true]);
  assert.deepEqual(at(10_000, { own: 9_990 }), [49, true]);
  assert.deepEqual(at(10_001, { a: 10_000 }), [10_030, false]);
});

Deno.test("SyncWatch takes nobody for the sync who is away while others go on", () => {
  const { at } = watch();
  at(0, { a: 0, b: 0 });
  for (let second = 30; second <= 300; second += 30) {
    assert.deepEqual(at(second, { b: second }), [second + 29, false]);
  }
});

Deno.test("SyncWatch expects nothing of who took leave", () => {
  const { at } = watch();
  at(0, { a: 0, b: 0 });
  assert.deepEqual(at(10, { a: undefined }), [39, false]);
  assert.deepEqual(at(20, { b: undefined }), [Infinity, false]);
  assert.deepEqual(at(200), [Infinity, false]);
});
