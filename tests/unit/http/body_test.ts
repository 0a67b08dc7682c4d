import assert from "node:assert/strict";
import { BodyError, readBody } from "../../../src/http/body.ts";

function request(body: BodyInit | null): Request {
  return new Request("https://localhost/", { method: "POST", body });
}

function fails(status: number): (error: unknown) => boolean {
  return (error) => error instanceof BodyError && error.status === status;
}

const LIMITS = { limit: 8, patience: 5000 };

Deno.test("readBody() reads text, also where a character is cut in two", async () => {
  assert.equal(await readBody(request("ab"), LIMITS), "ab");
  assert.equal(await readBody(request(null), LIMITS), "");
  const bytes = new TextEncoder().encode("aü€");
  const pieces = ReadableStream.from([...bytes].map((byte) => Uint8Array.of(byte)));
  assert.equal(await readBody(request(pieces), LIMITS), "aü€");
});

Deno.test("readBody() reads as much as allowed, and no more", async () => {
  assert.equal(await readBody(request("12345678"), LIMITS), "12345678");
  await assert.rejects(readBody(request("123456789"), LIMITS), fails(413));
});

Deno.test("readBody() does not wait for ever, and lets go of what it does not read", async () => {
  let cancelled = false;
  const silent = new ReadableStream({
    start: (controller) => controller.enqueue(new Uint8Array(1)),
    cancel: () => void (cancelled = true),
  });
  await assert.rejects(readBody(request(silent), { limit: 8, patience: 20 }), fails(408));
  assert.ok(cancelled);
});

Deno.test("readBody() tells of a body that breaks off", async () => {
  const broken = new ReadableStream({ pull: (controller) => controller.error(new Error("gone")) });
  await assert.rejects(readBody(request(broken), LIMITS), fails(400));
});
