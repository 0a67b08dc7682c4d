import assert from "node:assert/strict";
import { textResponse } from "../../src/http/server/message.ts";
import { limitsFor } from "../../src/http/server/clients.ts";
import { HttpServer } from "../../src/http/server/server.ts";
import { openLibc } from "../../src/os/libc.ts";
import { NetworkNamespace } from "./namespace.ts";

openLibc(); // which stays

const handler = () => textResponse(200, "hello");
const limits = limitsFor(1024);

async function answers(hostname: string, port: number): Promise<boolean> {
  try {
    using connection = await Deno.connect({ hostname, port });
    await connection.write(new TextEncoder().encode("GET / HTTP/1.0\r\n\r\n"));
    return await connection.read(new Uint8Array(100)) !== null;
  } catch {
    return false;
  }
}

for (const bindv6only of [0, 1]) {
  Deno.test(`HttpServer without a host answers IPv4 and IPv6 with bindv6only=${bindv6only}`, async () => {
    using namespace = NetworkNamespace.enter("kg-listen");
    namespace.run(`sysctl -q -w net.ipv6.bindv6only=${bindv6only}`);
    using server = new HttpServer(":0", { handler, limits });
    for (const address of ["127.0.0.1", "::1"]) {
      assert.ok(await answers(address, server.port), address);
    }
    using taken = Deno.listen({ hostname: "0.0.0.0", port: 0 });
    const open = () => new HttpServer(`:${taken.addr.port}`, { handler, limits });
    assert.throws(open, /^Error: cannot listen on :\d+: Address already in use/);
    assert.ok(!await answers("::1", taken.addr.port), "nothing of it is left");
  });
}

Deno.test("HttpServer without a host answers IPv4 where IPv6 is switched off", async () => {
  using namespace = NetworkNamespace.enter("kg-listen");
  namespace.run("sysctl -q -w net.ipv6.conf.all.disable_ipv6=1");
  using server = new HttpServer(":0", { handler, limits });
  assert.ok(await answers("127.0.0.1", server.port));
});
