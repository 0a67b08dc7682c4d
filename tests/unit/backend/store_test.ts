import assert from "node:assert/strict";
import { type Entry, Store } from "../../../src/backend/kubernetes/store.ts";
import { warning } from "../../../src/net/warning.ts";

function entry(version: string, value?: string, problem?: string): Entry<string> {
  return { version, value, problems: problem === undefined ? [] : [warning("peer", "x", problem)] };
}

function textsOf(store: Store<string>): string[] {
  return store.problems().map(({ text }) => text);
}

/** A store with `a` and `b` in it, at version 5. */
function filled(): Store<string> {
  const store = new Store<string>();
  store.begin();
  store.list("a", entry("5", "A"));
  store.list("b", entry("5", "B"));
  store.complete();
  assert.deepEqual(store.takeChanged(), ["a", "b"]);
  return store;
}

Deno.test("Store keeps what it knows until a list is complete, and then drops what is not in it", () => {
  const store = filled();
  store.begin();
  store.list("b", entry("9", "B"));
  store.list("c", entry("9", "C"));
  assert.equal(store.get("a")?.value, "A");
  assert.equal(store.get("c"), undefined);
  store.complete();
  assert.deepEqual(store.takeChanged(), ["a", "c"], "b is the same");
  assert.equal(store.get("a"), undefined);
});

Deno.test("Store takes a list's word even if it is older: history was lost", () => {
  const store = filled();
  store.begin();
  store.list("a", entry("3", "old"));
  store.complete();
  assert.equal(store.get("a")?.value, "old");
});

Deno.test("Store ignores an older state of an object, and notes only what differs", () => {
  const store = filled();
  store.put("a", entry("10", "new"));
  store.put("a", entry("9", "late"));
  assert.equal(store.get("a")?.value, "new");
  store.put("b", entry("11", "B"));
  assert.deepEqual(store.takeChanged(), ["a"]);
  store.put("b", entry("12", "B", "odd"));
  assert.deepEqual(store.takeChanged(), ["b"], "a problem is news");
  assert.deepEqual(textsOf(store), ["odd"]);
  store.remove("b");
  store.remove("nobody");
  assert.deepEqual(store.takeChanged(), ["b"]);
});

Deno.test("Store has the problems of what there is, and of nothing that is gone or mended", () => {
  const store = new Store<string>();
  store.begin();
  store.list("a", entry("5", "A", "odd"));
  store.list("b", entry("5", undefined, "broken"));
  assert.deepEqual(store.problems(), [], "the list is not complete");
  store.complete();
  assert.deepEqual(textsOf(store), ["odd", "broken"]);
  store.put("b", entry("6", "B"));
  assert.deepEqual(textsOf(store), ["odd"]);
  store.begin();
  store.list("b", entry("7", "B"));
  store.complete();
  assert.deepEqual(store.problems(), []);
});
