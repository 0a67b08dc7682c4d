import assert from "node:assert/strict";
import { Input } from "../../../src/http/server/input.ts";
import type { Framing } from "../../../src/http/server/request_head.ts";

/** A client that sends these pieces, one a read, and then no more. */
function inputOf(pieces: Iterable<Uint8Array>): Input {
  const queue = [...pieces].filter(({ length }) => length > 0);
  return new Input({
    read(buffer) {
      const piece = queue.shift();
      if (!piece) return Promise.resolve(null);
      const count = Math.min(piece.length, buffer.length);
      assert.ok(count > 0, "it asks for nothing");
      buffer.set(piece.subarray(0, count));
      if (count < piece.length) queue.unshift(piece.subarray(count));
      return Promise.resolve(count);
    },
  });
}

const encode = (text: string) => new TextEncoder().encode(text);

async function bodyOf(input: Input, framing: Framing): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of input.body(framing)) text += decoder.decode(piece, { stream: true });
  return text;
}

const STREAM = encode(
  "\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n" +
    "first body" +
    "\r\n\r\nPUT /b HTTP/1.1\r\n\r\n" +
    "4\r\nab\r\n\r\n1;x\r\nc\r\n0\r\nTrailer: 1\r\n\r\n" +
    "LAST /c HTTP/1.1\r\nX: \r\n\r\n",
);

async function readStream(pieces: Iterable<Uint8Array>): Promise<void> {
  const input = inputOf(pieces);
  assert.equal(await input.head(), "GET /a HTTP/1.1\r\nHost: x");
  assert.equal(await bodyOf(input, { length: 10 }), "first body");
  assert.ok(await input.ready());
  assert.equal(await input.head(), "PUT /b HTTP/1.1");
  assert.equal(await bodyOf(input, "chunked"), "ab\r\nc");
  assert.equal(await input.head(), "LAST /c HTTP/1.1\r\nX: ");
  assert.equal(await input.ready(), false);
  assert.equal(await input.head(), undefined);
}

Deno.test("Input reads a stream alike wherever it is cut", async () => {
  await readStream([STREAM]);
  await readStream([...STREAM].map((byte) => Uint8Array.of(byte)));
  for (let a = 0; a < STREAM.length; a++) {
    const b = Math.min(STREAM.length, a + 1 + a % 7);
    await readStream([STREAM.subarray(0, a), STREAM.subarray(a, b), STREAM.subarray(b)]);
  }
});

Deno.test("Input takes heads up to their limit, and bodies of any length", async () => {
  const line = "GET / HTTP/1.1\r\nX: ";
  const head = line + "a".repeat(16 * 1024 - line.length);
  const body = new Uint8Array(1_000_000).fill(65);
  const input = inputOf([encode(`${head}\r\n\r\n`), body, encode(`${head}a\r\n\r\n`)]);
  assert.equal(await input.head(), head);
  assert.equal((await bodyOf(input, { length: 1_000_000 })).length, 1_000_000);
  await assert.rejects(input.head(), { status: 431 });
});

Deno.test("Input gives up a head or a body that ends too early", async () => {
  assert.equal(await inputOf([encode("GET / HTT")]).head(), undefined);
  await assert.rejects(bodyOf(inputOf([encode("abc")]), { length: 4 }), { status: 400 });
  for (const text of ["", "4", "4\r\n", "4\r\nabcd", "4\r\nabcd\r\n", "0\r\n", "0\r\nx: y\r\n"]) {
    await assert.rejects(bodyOf(inputOf([encode(text)]), "chunked"), { status: 400 }, text);
  }
  for (
    const text of ["\r\n", "-1\r\n", "g\r\n", "4\nabcd\r\n", "123456789\r\n", " 4\r\nabcd\r\n"]
  ) {
    await assert.rejects(bodyOf(inputOf([encode(text)]), "chunked"), { status: 400 }, text);
  }
});
