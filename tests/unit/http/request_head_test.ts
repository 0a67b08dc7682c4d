import assert from "node:assert/strict";
import type { HttpError } from "../../../src/http/server/message.ts";
import { parseRequestHead } from "../../../src/http/server/request_head.ts";

function head(line: string, ...fields: string[]): string {
  return [line, "Host: x", ...fields].join("\r\n");
}

function refusal(text: string): number {
  try {
    parseRequestHead(text);
  } catch (error) {
    return (error as HttpError).status;
  }
  return assert.fail(`it is taken: ${text}`);
}

Deno.test("parseRequestHead() reads every form of target but CONNECT's", () => {
  const rows: readonly (readonly [target: string, path: string, query?: string])[] = [
    ["/", "/"],
    ["//", "//"],
    ["/graph?format=dot&layout=%00", "/graph", "format=dot&layout=%00"],
    ["/a/../health?", "/health"],
    ["/%zz?%E0%A4%A", "/%zz", "%EF%BF%BD%A"],
    ["/b\xfcrger", "/b%C3%BCrger"],
    ["*", "*"],
    ["http://node:1107/health?x=1", "/health", "x=1"],
    ["HTTPS://node", "/"],
  ];
  for (const [target, path, query = ""] of rows) {
    const request = parseRequestHead(head(`GET ${target} HTTP/1.1`));
    assert.equal(request.path, path, target);
    if (!query.includes("%EF")) {
      assert.equal(decodeURIComponent(`${request.query}`), decodeURIComponent(query));
    }
  }
  for (
    const target of ["x:1", "node:1107", "health", "http://[/graph", "ftp://x/", "javascript:1"]
  ) {
    assert.equal(refusal(head(`GET ${target} HTTP/1.1`)), 400, target);
  }
});

Deno.test("parseRequestHead() reads fields whatever their case, and joins repeated ones", () => {
  const { fields } = parseRequestHead(
    head("GET / HTTP/1.1", "A-b: 1", "a-B:\t2 \t", "Content-Type: a; b", "Empty:", "X: \xfc"),
  );
  assert.deepEqual(Object.fromEntries(fields), {
    ...{ "host": "x", "a-b": "1, 2", "content-type": "a; b", "empty": "", "x": "\xfc" },
  });
});

Deno.test("parseRequestHead() says whether another request can follow", () => {
  const rows: readonly (readonly [version: string, connection: string, keepAlive: boolean])[] = [
    ["1.1", "", true],
    ["1.1", "keep-alive", true],
    ["1.1", "CLOSE", false],
    ["1.1", "upgrade , close", false],
    ["1.1", "closed", true],
    ["1.7", "", true],
    ["1.0", "keep-alive", false],
  ];
  for (const [version, connection, keepAlive] of rows) {
    const text = head(`GET / HTTP/${version}`, `Connection: ${connection}`);
    assert.equal(parseRequestHead(text).keepAlive, keepAlive, text);
  }
});

Deno.test("parseRequestHead() knows how long a body is", () => {
  const body = (...fields: string[]) => parseRequestHead(head("PUT / HTTP/1.1", ...fields)).body;
  assert.deepEqual(body(), { length: 0 });
  assert.deepEqual(body("Content-Length: 007"), { length: 7 });
  assert.equal(body("Transfer-Encoding: CHUNKED"), "chunked");
});

Deno.test("parseRequestHead() refuses what two readers could understand differently", () => {
  const rows: readonly (readonly [text: string, status: number])[] = [
    ["", 400],
    ["GET /", 400],
    ["GET  / HTTP/1.1\r\nHost: x", 400],
    ["GET / HTTP/1.1 \r\nHost: x", 400],
    ["GET / http/1.1\r\nHost: x", 400],
    ["G(T / HTTP/1.1\r\nHost: x", 400],
    ["GET /\t HTTP/1.1\r\nHost: x", 400],
    ["GET / HTTP/1.1\nHost: x", 400],
    ["GET / HTTP/1.1", 400],
    ["GET / HTTP/2.0\r\nHost: x", 505],
    ["GET / HTTP/0.9\r\nHost: x", 505],
    [head("GET / HTTP/1.1", "Host: y"), 400],
    [head("GET / HTTP/1.1", "no colon"), 400],
    [head("GET / HTTP/1.1", "space : x"), 400],
    [head("GET / HTTP/1.1", " folded"), 400],
    [head("GET / HTTP/1.1", ": x"), 400],
    [head("GET / HTTP/1.1", "a: b\rc"), 400],
    [head("GET / HTTP/1.1", "a: b\nc: d"), 400],
    [head("GET / HTTP/1.1", "a: \0"), 400],
    [head("GET / HTTP/1.1", "Content-Length: 1", "Content-Length: 1"), 400],
    [head("GET / HTTP/1.1", "Content-Length: 1, 1"), 400],
    [head("GET / HTTP/1.1", "Content-Length: -1"), 400],
    [head("GET / HTTP/1.1", "Content-Length: +1"), 400],
    [head("GET / HTTP/1.1", "Content-Length: 0x1"), 400],
    [head("GET / HTTP/1.1", "Content-Length:"), 400],
    [head("GET / HTTP/1.1", "Content-Length: 1", "Transfer-Encoding: chunked"), 400],
    [head("GET / HTTP/1.0", "Transfer-Encoding: chunked"), 400],
    [head("GET / HTTP/1.1", "Transfer-Encoding: chunked, chunked"), 501],
    [head("GET / HTTP/1.1", "Transfer-Encoding: gzip, chunked"), 501],
    [head("GET / HTTP/1.1", "Expect: 200-maybe"), 417],
    [head("GET / HTTP/1.1", ...Array(200).fill("a: b")), 431],
  ];
  for (const [text, status] of rows) assert.equal(refusal(text), status, JSON.stringify(text));
});

Deno.test("parseRequestHead() takes no longer for what is written to hold it up", () => {
  const spaces = " ".repeat(16_000);
  const start = performance.now();
  for (let times = 0; times < 20; times++) {
    parseRequestHead(head("GET / HTTP/1.1", `Connection: a${spaces}b`, `X: a${spaces}b`));
  }
  assert.ok(performance.now() - start < 1000); // it takes 10 ms; at a step for each pair 10 s
});
