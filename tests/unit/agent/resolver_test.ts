import assert from "node:assert/strict";
import { Resolver } from "../../../src/agent/resolver.ts";
import { type Addresses, LookupError } from "../../../src/dns/resolver.ts";
import { formatIP, type IP, parseIP } from "../../../src/net/ip.ts";
import { FakeClock, settle } from "../../fake_clock.ts";

const PERIOD = 30_000;

/** A resolver whose lookups end when the test says so. */
function fake() {
  const asked: {
    name: string;
    answer: (...ips: string[]) => void;
    answerWith: (addresses: Partial<Addresses>) => void;
    fail: (why: string) => void;
  }[] = [];
  const seen = { changes: 0 };
  const clock = new FakeClock();
  const resolver = new Resolver({
    lookup: (name) => {
      const { promise, resolve, reject } = Promise.withResolvers<Addresses>();
      const answerWith = (found: Partial<Addresses>) => resolve({ A: [], AAAA: [], ...found });
      asked.push({
        name,
        answerWith,
        answer: (...ips) => answerWith({ A: ips.map(ip) }),
        fail: (why) => reject(new Error(why)),
      });
      return promise;
    },
    changed: () => seen.changes++,
    period: PERIOD,
    clock,
  });
  const shown = (name: string) => {
    const address = resolver.address(name);
    return address && formatIP(address);
  };
  const all = (name: string) =>
    [resolver.address(name) ?? [], resolver.alternative(name) ?? []].flat().map(formatIP);
  const names = () => asked.map(({ name }) => name);
  return { resolver, asked, names, seen, shown, all, clock };
}

const ip = (text: string): IP => parseIP(text)!;

Deno.test("Resolver looks a wanted name up in the background, once", async () => {
  const { resolver, asked, names, seen, shown } = fake();
  resolver.want(["a"]);
  resolver.want(["a"]);
  resolver.refresh();
  assert.deepEqual(names(), ["a"]);
  assert.deepEqual([shown("a"), seen.changes], [undefined, 0]);
  asked[0]!.answer("10.0.0.1", "10.0.0.2");
  await settle();
  assert.deepEqual([shown("a"), seen.changes], ["10.0.0.1", 1]);
});

Deno.test("Resolver.refresh() asks again and tells only of another address", async () => {
  const { resolver, asked, seen, shown, clock } = fake();
  const answer = async (...ips: string[]) => {
    asked.at(-1)!.answer(...ips);
    await settle();
  };
  resolver.want(["a"]);
  await answer("10.0.0.1");
  resolver.refresh();
  await clock.advance(PERIOD);
  await answer("10.0.0.1", "10.0.0.2");
  assert.equal(seen.changes, 1);
  resolver.refresh();
  await clock.advance(PERIOD);
  await answer("10.0.0.9");
  assert.deepEqual([shown("a"), seen.changes, asked.length], ["10.0.0.9", 2, 3]);
});

Deno.test("Resolver runs at most 32 lookups at once, whatever they take", async () => {
  const { resolver, asked, clock } = fake();
  resolver.want(Array.from({ length: 800 }, (_, at) => `n${at}`));
  assert.equal(asked.length, 32);
  resolver.refresh();
  await clock.advance(10 * PERIOD);
  assert.equal(asked.length, 32);
  for (let done = 0; done < 800; done++) {
    asked[done]!.fail("no server");
    await settle();
    assert.equal(asked.length, Math.min(800, done + 33));
  }
});

Deno.test("Resolver.refresh() spreads its lookups over the period, and asks nobody twice", async () => {
  const { resolver, asked, names, clock } = fake();
  const answered = { count: 0 };
  const answerAll = async () => {
    while (answered.count < asked.length) {
      asked[answered.count++]!.answer("10.0.0.1");
      await settle();
    }
  };
  resolver.want(Array.from({ length: 300 }, (_, at) => `n${at}`));
  await answerAll();
  asked.length = answered.count = 0;
  resolver.refresh();
  resolver.refresh();
  let most = 0;
  for (let second = 0; second < 30; second++) {
    const before = asked.length;
    for (let at = 0; at < 20; at++) {
      await clock.advance(50);
      await answerAll();
    }
    most = Math.max(most, asked.length - before);
  }
  assert.deepEqual([asked.length, new Set(names()).size], [300, 300]);
  assert(most <= 15, `${most} in one second`);
});

Deno.test("Resolver looks up a new name before those that it knows", async () => {
  const { resolver, asked, names, clock } = fake();
  const old = Array.from({ length: 100 }, (_, at) => `n${at}`);
  resolver.want(old);
  for (let at = 0; at < 100; at++) {
    asked[at]!.answer("10.0.0.1");
    await settle();
  }
  resolver.refresh();
  await clock.advance(PERIOD); // 32 of them run, and none ends
  resolver.want([...old, "new"]);
  asked.at(-1)!.answer("10.0.0.1");
  await settle();
  assert.equal(names().at(-1), "new");
});

Deno.test("Resolver keeps the last good answer while resolution fails", async () => {
  const { resolver, asked, shown, clock } = fake();
  resolver.want(["a", "b"]);
  asked[0]!.answer("10.0.0.1");
  asked[1]!.fail("no server");
  await settle();
  assert.deepEqual([...resolver.failures()], [["b", "no server"]]);
  resolver.refresh();
  await clock.advance(PERIOD);
  asked[2]!.fail("no server");
  asked[3]!.answer("10.0.0.2");
  await settle();
  assert.deepEqual([shown("a"), shown("b")], ["10.0.0.1", "10.0.0.2"]);
  assert.deepEqual([...resolver.failures()], [["a", "no server"]]);
});

Deno.test("Resolver keeps a family's address while only that family fails", async () => {
  const { resolver, asked, all, seen, clock } = fake();
  const next = async (found: Partial<Addresses>) => {
    resolver.refresh();
    await clock.advance(PERIOD);
    asked.at(-1)!.answerWith(found);
    await settle();
    return all("a");
  };
  resolver.want(["a"]);
  assert.deepEqual(await next({ A: [ip("10.0.0.1")], AAAA: [ip("fd00::1")] }), [
    "10.0.0.1",
    "fd00::1",
  ]);
  const failure = new LookupError("no server");
  assert.deepEqual(await next({ A: failure, AAAA: [ip("fd00::2")] }), ["10.0.0.1", "fd00::2"]);
  assert.deepEqual(await next({ A: failure, AAAA: [] }), ["10.0.0.1", "fd00::2"]);
  assert.deepEqual([...resolver.failures()], [["a", "no server"]]);
  assert.deepEqual(await next({ A: [], AAAA: [ip("fd00::2")] }), ["fd00::2"]);
  assert.equal(seen.changes, 4); // one of them that it failed
});

Deno.test("Resolver tells of a failure once", async () => {
  const { resolver, asked, seen, clock } = fake();
  resolver.want(["a"]);
  asked[0]!.fail("no server");
  await settle();
  resolver.refresh();
  await clock.advance(PERIOD);
  asked[1]!.fail("no server");
  await settle();
  assert.equal(seen.changes, 1);
});

Deno.test("Resolver keeps the answer for a name that nobody wants for a while", async () => {
  const { resolver, asked, shown, clock } = fake();
  resolver.want(["a"]);
  asked[0]!.answer("10.0.0.1");
  await settle();
  resolver.want([]);
  resolver.refresh();
  await clock.advance(PERIOD);
  resolver.want(["a"]);
  assert.deepEqual([asked.length, shown("a")], [1, "10.0.0.1"]);
  resolver.want([]);
  await clock.advance(2 * 3_600_000);
  resolver.refresh();
  assert.equal(shown("a"), undefined);
});

Deno.test("Resolver forgets the oldest of too many names that nobody wants", async () => {
  const { resolver, asked, shown, clock } = fake();
  for (let at = 0; at < 1500; at++) {
    resolver.want([`n${at}`]);
    asked[at]!.answer("10.0.0.1");
    await clock.advance(1);
  }
  resolver.want([]);
  assert.deepEqual([shown("n499"), shown("n500")], [undefined, "10.0.0.1"]);
});

Deno.test("Resolver says nothing once it is disposed", async () => {
  const { resolver, asked, seen } = fake();
  resolver.want(["a", "b"]);
  resolver[Symbol.dispose]();
  asked[0]!.answer("10.0.0.1");
  await settle();
  assert.equal(seen.changes, 0);
});

Deno.test("Resolver knows the first address of the other family, and tells when it is another", async () => {
  const { resolver, asked, seen, all, clock } = fake();
  const next = async (A: string[], AAAA: string[]) => {
    asked.at(-1)!.answerWith({ A: A.map(ip), AAAA: AAAA.map(ip) });
    await settle();
    resolver.refresh();
    await clock.advance(PERIOD);
    return [all("a"), seen.changes];
  };
  resolver.want(["a"]);
  const both = await next(["10.0.0.1", "10.0.0.2"], ["2001:db8::1", "2001:db8::2"]);
  assert.deepEqual(both, [["10.0.0.1", "2001:db8::1"], 1]);
  assert.deepEqual(await next(["10.0.0.1"], ["2001:db8::3"]), [["10.0.0.1", "2001:db8::3"], 2]);
  assert.deepEqual(await next([], ["2001:db8::3"]), [["2001:db8::3"], 3]);
});
