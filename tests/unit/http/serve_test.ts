import assert from "node:assert/strict";
import { serve } from "../../../src/http/serve.ts";
import { waitFor } from "../../lab/wait.ts";

const hello = () => new Response("hello");

async function get(host: string, port: number): Promise<string> {
  return await (await fetch(`http://${host}:${port}/`)).text();
}

Deno.test("serve() without a host answers on IPv4 and IPv6", async () => {
  using server = serve(":0", hello);
  assert.equal(await get("127.0.0.1", server.port), "hello");
  assert.equal(await get("[::1]", server.port), "hello");
});

Deno.test("serve() with a host answers there only", async () => {
  using server = serve("127.0.0.1:0", hello);
  assert.equal(await get("127.0.0.1", server.port), "hello");
  await assert.rejects(get("[::1]", server.port));
});

Deno.test("serve() says which address it cannot have", () => {
  using server = serve(":0", hello);
  const { port } = server;
  assert.throws(() => serve(`:${port}`, hello), {
    message: new RegExp(`^cannot listen on :${port}: Address already in use`),
  });
  assert.throws(() => serve("192.0.2.1:0", hello), {
    message: /^cannot listen on 192\.0\.2\.1:0: Cannot assign/,
  });
});

Deno.test("serve() answers 500 to what the handler throws, and goes on", async () => {
  let calls = 0;
  using server = serve("127.0.0.1:0", () => {
    if (calls++ === 0) throw new Error("broken", { cause: new Error("inside") });
    return hello();
  });
  const answer = await fetch(`http://127.0.0.1:${server.port}/`);
  assert.deepEqual([answer.status, await answer.text()], [500, "broken: inside\n"]);
  assert.equal(await get("127.0.0.1", server.port), "hello");
});

Deno.test("serve() disposed of lets go of the port and of those who are connected", async () => {
  const server = serve("127.0.0.1:0", hello);
  using idle = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  await idle.write(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  const buffer = new Uint8Array(1024);
  assert.ok(await idle.read(buffer));
  server[Symbol.dispose]();
  assert.equal(await idle.read(buffer).catch(() => null), null, "it hangs up");
  using again = serve(`127.0.0.1:${server.port}`, hello);
  assert.equal(await get("127.0.0.1", again.port), "hello");
});

Deno.test("serve() survives more connections than there can be", async () => {
  const module = JSON.stringify(new URL("../../../src/http/serve.ts", import.meta.url));
  const script = `const { serve } = await import(${module});
    console.log(serve("127.0.0.1:0", () => new Response("hello")).port);`;
  await using child = new Deno.Command("sh", {
    args: ["-c", 'ulimit -n 100; exec "$0" eval "$1"', Deno.execPath(), script],
    stdout: "piped",
  }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).values();
  const port = Number((await lines.next()).value);
  const connections: Deno.Conn[] = [];
  for (let count = 0; count < 300; count++) {
    await Deno.connect({ hostname: "127.0.0.1", port }).then(
      (connection) => connections.push(connection),
      () => {}, // it is just ending
    );
  }
  for (const connection of connections) connection.close();
  await waitFor("an answer", async () => await get("127.0.0.1", port) === "hello");
});

Deno.test("serve() hangs up on who is silent for longest when too many are connected", async () => {
  using server = serve("127.0.0.1:0", hello);
  const { port } = server;
  const idle: Deno.TcpConn[] = [];
  for (let count = 0; count < 100; count++) {
    idle.push(await Deno.connect({ hostname: "127.0.0.1", port }));
  }
  const read = async (connection: Deno.TcpConn) =>
    await connection.read(new Uint8Array(1)).catch(() => null);
  const hungUp = await Promise.all(idle.slice(0, 30).map(read));
  assert.deepEqual(new Set(hungUp), new Set([null]));
  assert.equal(await get("127.0.0.1", port), "hello");
  for (const connection of idle) connection.close();
});
