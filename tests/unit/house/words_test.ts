import assert from "node:assert/strict";
import { RETIRED, retiredWords, wordsOf } from "../../../tools/words.ts";

function refused(text: string, path = "src/mesh/a.ts"): string[] {
  return retiredWords([{ path, text }]);
}

Deno.test("wordsOf() splits names at capitals, underscores and signs", () => {
  assert.deepEqual(wordsOf("isMadeAnew"), ["is", "made", "anew"]);
  assert.deepEqual(wordsOf("LONGEST_LOOK"), ["longest", "look"]);
  assert.deepEqual(wordsOf("#nextDNSLook2Go"), ["next", "dns", "look2", "go"]);
  assert.deepEqual(wordsOf("young_peers"), ["young", "peers"]);
  assert.deepEqual(wordsOf("lookupName"), ["lookup", "name"]);
});

Deno.test("retiredWords() refuses each word of the table, however a name is written", () => {
  for (const word of Object.keys(RETIRED).flatMap((words) => words.split(", "))) {
    const [first, ...rest] = word.split(" ");
    const camel = [first, ...rest.map((it) => it[0]!.toUpperCase() + it.slice(1))].join("");
    const snake = word.replaceAll(" ", "_").toUpperCase();
    const names = [camel, `#${camel}`, `is${camel[0]!.toUpperCase()}${camel.slice(1)}`, snake];
    for (const name of names) {
      const [problem, ...more] = refused(`class A { ${name} = 1; }`, "src/net/a.ts");
      assert.ok(problem?.includes(`src/net/a.ts:1: ${name} holds the retired word`), name);
      assert.deepEqual(more, [], name);
    }
  }
});

Deno.test("retiredWords() says what to say, and where", () => {
  assert.deepEqual(refused("const a = 1;\nfunction b(wish: number) {}"), [
    'src/mesh/a.ts:2: wish holds the retired word "wish": say desired',
  ]);
  assert.deepEqual(refused("", "src/mesh/young_peers.ts"), [
    "src/mesh/young_peers.ts: the file name holds the retired word " +
    '"young": say handshake retry, attempt, MAX_CONCURRENT',
  ]);
});

Deno.test("retiredWords() refuses every kind of declaration", () => {
  for (
    const text of [
      "const wish = 1;",
      "const { wish } = x;",
      "const { a: wish } = x;",
      "const [wish] = x;",
      "const f = (wish) => 1;",
      "type Wish = 1;",
      "interface Wish {}",
      "interface A { readonly wish: 1 }",
      "class Wish {}",
      "class A { #wish() {} }",
      "class A { get wish() { return 1; } }",
      "const a = { wish: 1 };",
      "const a = { wish() {} };",
      "function wish() {}",
      "enum A { Wish }",
      "type A<Wish> = 1;",
      'import * as wish from "./b.ts";',
    ]
  ) assert.equal(refused(text).length, 1, text);
});

Deno.test("retiredWords() leaves names of libraries, longer words, text and comments alone", () => {
  const text = [
    "const a = Math.round(1.5) + background + dishwisher;",
    "await Promise.allSettled([]);",
    'const text = "wish"; // a wish',
    'import { round } from "node:path";',
    "const lookup = 1, grounds = 2, foreground = 3;",
  ];
  assert.deepEqual(refused(text.join("\n")), []);
});

Deno.test("retiredWords() allows a word where it is the field's own", () => {
  assert.deepEqual(refused("export const setMark = 1;", "src/dataplane/firewall/mark.ts"), []);
  assert.equal(refused("export const mark = 1;", "src/dataplane/applier.ts").length, 1);
  assert.deepEqual(refused("function lookUpRoute() {}", "src/netlink/route_lookup.ts"), []);
});

Deno.test("retiredWords() refuses type names that meant several things", () => {
  assert.deepEqual(refused("export type Change = 1;"), [
    "src/mesh/a.ts:1: Change is a name of several things: give it a prefix",
  ]);
  assert.deepEqual(refused("export type RouteChange = 1;"), []);
});
