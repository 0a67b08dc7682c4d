import assert from "node:assert/strict";
import { listenOn, parseListenAddress } from "../../../src/http/server/listen.ts";

Deno.test("parseListenAddress() reads what Go's net.Listen does", () => {
  assert.deepEqual(parseListenAddress(":1107"), { hostname: "::", port: 1107 });
  assert.deepEqual(parseListenAddress("[]:1107"), { hostname: "::", port: 1107 });
  assert.deepEqual(parseListenAddress("127.0.0.1:0"), { hostname: "127.0.0.1", port: 0 });
  assert.deepEqual(parseListenAddress("localhost:65535"), { hostname: "localhost", port: 65535 });
  assert.deepEqual(parseListenAddress("[::1]:80"), { hostname: "::1", port: 80 });
  for (const text of ["", "1107", ":", ":http", ":65536", "::1:80", "[::1]", "a:1:2", ":-1"]) {
    assert.equal(parseListenAddress(text), undefined, text);
  }
});

Deno.test("listenOn() is reached by IPv4 and IPv6 when there is no host", async () => {
  const [listener, ...others] = listenOn(":0");
  using _listener = listener!;
  assert.deepEqual(others, []);
  for (const hostname of ["127.0.0.1", "::1"]) {
    using _connection = await Deno.connect({ hostname, port: listener!.addr.port });
  }
});

Deno.test("listenOn() does without IPv6 where the kernel has none, and only then", () => {
  const tried: string[] = [];
  const without = (code: string) => ({ hostname, port }: { hostname: string; port: number }) => {
    tried.push(hostname);
    if (hostname !== "0.0.0.0") throw Object.assign(new Error("no"), { code });
    return { addr: { hostname, port } } as Deno.TcpListener;
  };
  listenOn(":1", without("EAFNOSUPPORT"));
  assert.throws(() => listenOn("[::1]:1", without("EAFNOSUPPORT")));
  assert.throws(() => listenOn(":1", without("EACCES")));
  assert.deepEqual(tried, ["::", "0.0.0.0", "::1", "::"]);
});

Deno.test("listenOn() says where it could not listen, and why", () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  assert.throws(() => listenOn(`127.0.0.1:${listener.addr.port}`), {
    message: /^cannot listen on 127\.0\.0\.1:\d+: Address already in use/,
  });
});
