import assert from "node:assert/strict";
import { Resolver } from "../../../src/agent/resolver.ts";
import { formatIP, type IP, parseIP } from "../../../src/net/ip.ts";

/** A resolver whose lookups end when the test says so. */
function fake() {
  const asked: { name: string; answer: (...ips: string[]) => void; fail: (why: string) => void }[] =
    [];
  const seen = { changes: 0 };
  const resolver = new Resolver({
    lookup: (name) => {
      const { promise, resolve, reject } = Promise.withResolvers<readonly IP[]>();
      asked.push({
        name,
        answer: (...ips) => resolve(ips.map((ip) => parseIP(ip)!)),
        fail: (why) => reject(new Error(why)),
      });
      return promise;
    },
    changed: () => seen.changes++,
  });
  const shown = (name: string) => {
    const address = resolver.address(name);
    return address && formatIP(address);
  };
  /** Lets what was answered arrive: nothing but promises is between. */
  const arrive = () => new Promise((resolve) => setTimeout(resolve));
  return { resolver, asked, seen, shown, arrive };
}

Deno.test("Resolver looks a wanted name up in the background, once", async () => {
  const { resolver, asked, seen, shown, arrive } = fake();
  resolver.want(["a"]);
  resolver.want(["a"]);
  resolver.refresh();
  assert.deepEqual(asked.map(({ name }) => name), ["a"]);
  assert.deepEqual([shown("a"), seen.changes], [undefined, 0]);
  asked[0]!.answer("10.0.0.1", "10.0.0.2");
  await arrive();
  assert.deepEqual([shown("a"), seen.changes], ["10.0.0.1", 1]);
});

Deno.test("Resolver.refresh() asks again and tells only of another address", async () => {
  const { resolver, asked, seen, shown, arrive } = fake();
  resolver.want(["a"]);
  asked[0]!.answer("10.0.0.1");
  await arrive();
  resolver.refresh();
  asked[1]!.answer("10.0.0.1", "10.0.0.2");
  await arrive();
  assert.equal(seen.changes, 1);
  resolver.refresh();
  asked[2]!.answer("10.0.0.9");
  await arrive();
  assert.deepEqual([shown("a"), seen.changes], ["10.0.0.9", 2]);
});

Deno.test("Resolver keeps the last good answer while resolution fails", async () => {
  const { resolver, asked, shown, arrive } = fake();
  resolver.want(["a", "b"]);
  asked[0]!.answer("10.0.0.1");
  asked[1]!.fail("no server");
  await arrive();
  assert.deepEqual([...resolver.failures()], [["b", "no server"]]);
  resolver.refresh();
  asked[2]!.fail("no server");
  asked[3]!.answer("10.0.0.2");
  await arrive();
  assert.deepEqual([shown("a"), shown("b")], ["10.0.0.1", "10.0.0.2"]);
  assert.deepEqual([...resolver.failures()], [["a", "no server"]]);
});

Deno.test("Resolver tells of a failure once", async () => {
  const { resolver, asked, seen, arrive } = fake();
  resolver.want(["a"]);
  asked[0]!.fail("no server");
  await arrive();
  resolver.refresh();
  asked[1]!.fail("no server");
  await arrive();
  assert.equal(seen.changes, 1);
});

Deno.test("Resolver forgets nothing of a name that is not wanted for a while", async () => {
  const { resolver, asked, shown, arrive } = fake();
  resolver.want(["a"]);
  asked[0]!.answer("10.0.0.1");
  await arrive();
  resolver.want([]);
  resolver.refresh();
  resolver.want(["a"]);
  assert.deepEqual([asked.length, shown("a")], [1, "10.0.0.1"]);
});

Deno.test("Resolver says nothing once it is disposed", async () => {
  const { resolver, asked, seen, arrive } = fake();
  resolver.want(["a"]);
  resolver[Symbol.dispose]();
  asked[0]!.answer("10.0.0.1");
  await arrive();
  assert.equal(seen.changes, 0);
});

Deno.test("Resolver knows the first address of the other family, and tells when it is another", async () => {
  const { resolver, asked, seen, shown, arrive } = fake();
  const other = () => {
    const address = resolver.alternative("a");
    return address && formatIP(address);
  };
  resolver.want(["a"]);
  asked[0]!.answer("10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8::2");
  await arrive();
  assert.deepEqual([shown("a"), other(), seen.changes], ["10.0.0.1", "2001:db8::1", 1]);
  resolver.refresh();
  asked[1]!.answer("10.0.0.1", "2001:db8::3");
  await arrive();
  assert.deepEqual([shown("a"), other(), seen.changes], ["10.0.0.1", "2001:db8::3", 2]);
  resolver.refresh();
  asked[2]!.answer("2001:db8::3");
  await arrive();
  assert.deepEqual([shown("a"), other(), seen.changes], ["2001:db8::3", undefined, 3]);
});
