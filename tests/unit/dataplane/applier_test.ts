import assert from "node:assert/strict";
import { Applier, type EntryChange } from "../../../src/dataplane/applier.ts";
import { NetlinkError } from "../../../src/netlink/error.ts";
import { EEXIST, EINVAL, ENOBUFS, ESRCH } from "../../../src/os/errno.ts";

/** A kernel of words; those in `refused` are answered with that error. */
class Words {
  there = new Set<string>();
  refused = new Map<string, NetlinkError>();
  tried: string[] = [];
  observations = 0;
  readonly applier = new Applier<string>({
    diff: (desired, observed) => [
      ...desired.filter((word) => !observed.includes(word)).map((entry) => change("add", entry)),
      ...observed.filter((word) => !desired.includes(word)).map((entry) => change("remove", entry)),
    ],
    identity: (word) => word,
    equal: (a, b) => a === b,
    execute: (changes) => changes.map((change) => this.#execute(change)),
  });

  apply(...desired: string[]) {
    this.tried = [];
    return this.applier.apply(desired, () => {
      this.observations++;
      return [...this.there];
    });
  }

  #execute({ verb, entry }: EntryChange<string>): NetlinkError | undefined {
    this.tried.push(`${verb} ${entry}`);
    const error = this.refused.get(entry);
    if (error) return error;
    if (verb === "add") this.there.add(entry);
    else this.there.delete(entry);
    return undefined;
  }
}

function change(verb: "add" | "remove", entry: string): EntryChange<string> {
  return { verb, entry };
}

function error(errno: number, word = "x", outcome: "refused" | "unknown" = "refused") {
  return new NetlinkError({ operation: `add ${word}`, errno, outcome });
}

Deno.test("Applier looks once and then trusts what it reached", () => {
  const words = new Words();
  words.there.add("old");
  assert.deepEqual(words.apply("a", "b"), { changed: 3, refused: 0, warnings: [] });
  assert.deepEqual(words.apply("b"), { changed: 1, refused: 0, warnings: [] });
  assert.deepEqual(words.apply("b"), { changed: 0, refused: 0, warnings: [] });
  assert.equal(words.observations, 1);
  words.there.clear();
  assert.equal(words.apply("b").changed, 0);
  words.applier.invalidate();
  assert.equal(words.apply("b").changed, 1);
});

Deno.test("Applier takes what is so already for done", () => {
  const words = new Words();
  words.refused.set("a", error(EEXIST));
  assert.deepEqual(words.apply("a"), { changed: 1, refused: 0, warnings: [] });
  words.refused.set("a", error(ESRCH));
  assert.deepEqual(words.apply(), { changed: 1, refused: 0, warnings: [] });
});

Deno.test("Applier warns of each cause as long as it holds, and tries what was refused after the next look", () => {
  const words = new Words();
  for (const word of ["x", "y"]) words.refused.set(word, error(EINVAL, word));
  const result = words.apply("x", "y", "a");
  assert.deepEqual(result, {
    changed: 1,
    refused: 2,
    warnings: [{
      code: "route",
      subject: "add: EINVAL",
      text: "add x: EINVAL, and 1 more like it",
    }],
  });
  const { warnings } = result;
  assert.deepEqual(words.apply("x", "y", "a", "b"), { changed: 1, refused: 2, warnings });
  assert.deepEqual(words.tried, ["add b"]);
  assert.deepEqual(words.apply("x", "y", "a", "b"), { changed: 0, refused: 2, warnings });
  assert.deepEqual(words.tried, []);
  assert.equal(words.apply("y", "a", "b").refused, 1, "x is no longer desired");
  words.refused.clear();
  words.applier.invalidate();
  assert.deepEqual(words.apply("y", "a", "b"), { changed: 1, refused: 0, warnings: [] });
});

Deno.test("Applier tries again at once what may have waited for another change", () => {
  const words = new Words();
  words.refused.set("x", error(EINVAL));
  words.apply("x", "a");
  assert.deepEqual(words.tried, ["add x", "add a", "add x"]);
});

Deno.test("Applier looks again when an answer was lost or a removal refused", () => {
  const words = new Words();
  words.refused.set("x", error(ENOBUFS, "x", "unknown"));
  words.apply("x");
  words.apply("x");
  assert.equal(words.observations, 2);
  words.refused.clear();
  words.apply("x");
  words.refused.set("x", error(EINVAL));
  words.apply();
  words.apply();
  assert.equal(words.observations, 4);
});
