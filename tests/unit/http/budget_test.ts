import assert from "node:assert/strict";
import { Budget } from "../../../src/http/server/budget.ts";
import type { HttpError } from "../../../src/http/server/message.ts";

const LONG = { timeout: 60_000 };

function refused(status: number): (error: HttpError) => boolean {
  return (error) => error.status === status;
}

Deno.test("Budget.take() serves who asked first, and holds no more than there is", async () => {
  const budget = new Budget(10);
  const order: string[] = [];
  const take = async (name: string, bytes: number) => {
    const share = await budget.take(bytes, LONG);
    order.push(name);
    return share;
  };
  const a = await take("a", 6);
  const b = take("b", 6);
  const c = take("c", 1); // would fit, but b was first
  assert.deepEqual(order, ["a"]);
  a[Symbol.dispose]();
  a[Symbol.dispose](); // counts once
  const shares = [await b, await c];
  assert.deepEqual(order, ["a", "b", "c"]);
  const d = take("d", 4);
  shares[1]![Symbol.dispose]();
  (await d)[Symbol.dispose]();
  shares[0]![Symbol.dispose]();
  (await take("all", 10))[Symbol.dispose]();
});

Deno.test("Budget.take() waits no longer than it may, and then holds nobody up", async () => {
  const budget = new Budget(10);
  const first = await budget.take(6, LONG);
  const large = budget.take(8, { timeout: 20 });
  const small = budget.take(4, LONG);
  await assert.rejects(large, refused(503));
  (await small)[Symbol.dispose]();
  first[Symbol.dispose]();
  await assert.rejects(budget.take(11, LONG), refused(413));
});
