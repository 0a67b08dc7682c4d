import assert from "node:assert/strict";
import { check, libc, openLibc } from "../../../src/os/libc.ts";
import { type Handler, textResponse } from "../../../src/http/server/message.ts";
import { limitsFor } from "../../../src/http/server/clients.ts";
import { HttpServer } from "../../../src/http/server/server.ts";
import { waitFor } from "../../lab/wait.ts";
import { type Answer, Client } from "./client.ts";

openLibc(); // which stays

const limits = limitsFor(1024);
const HELLO = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/** Says what it was asked; reads bodies of up to 8 bytes, but none at `/unread`. */
const echo: Handler = async (request) => {
  const { method, path, query } = request;
  const body = path === "/unread" ? "" : await request.text({ limit: 8, timeout: 5000 });
  return textResponse(200, `${method} ${path} ${query} ${body}`);
};

function open(handler: Handler = echo): HttpServer {
  return new HttpServer("127.0.0.1:0", { handler, limits });
}

async function get(host: string, port: number): Promise<string> {
  return await (await fetch(`http://${host}:${port}/`)).text();
}

/** Sends it on a connection of its own; how it is answered, and that it hangs up then. */
async function last(port: number, text: string): Promise<Answer> {
  using client = await Client.connect(port);
  await client.send(text);
  const answer = await client.answer();
  assert.equal(answer.headers.get("connection"), "close", text);
  await client.ended();
  return answer;
}

Deno.test("HttpServer without a host answers on IPv4 and IPv6", async () => {
  using server = new HttpServer(":0", { handler: echo, limits });
  assert.equal(await get("127.0.0.1", server.port), "GET /  \n");
  assert.equal(await get("[::1]", server.port), "GET /  \n");
});

Deno.test("HttpServer with a host answers there only", async () => {
  using server = open();
  assert.equal(await get("127.0.0.1", server.port), "GET /  \n");
  await assert.rejects(get("[::1]", server.port));
});

Deno.test("HttpServer says which address it cannot have", () => {
  using server = new HttpServer(":0", { handler: echo, limits });
  const { port } = server;
  assert.throws(() => new HttpServer(`:${port}`, { handler: echo, limits }), {
    message: new RegExp(`^cannot listen on :${port}: Address already in use`),
  });
  assert.throws(() => new HttpServer("192.0.2.1:0", { handler: echo, limits }), {
    message: /^cannot listen on 192\.0\.2\.1:0: Cannot assign/,
  });
});

Deno.test("HttpServer answers requests of any method, one after the other", async () => {
  using server = open();
  using client = await Client.connect(server.port);
  await client.send("\r\nBREW /pot?milk=1 HTTP/1.1\r\nHost: x\r\n\r\n");
  const { status, headers, body } = await client.answer();
  assert.deepEqual([status, body], [200, "BREW /pot milk=1 \n"]);
  assert.deepEqual([...headers.keys()], ["date", "content-type", "content-length"]);
  assert.ok(Math.abs(Date.now() - Date.parse(headers.get("date")!)) < 60_000);
  assert.equal(headers.get("content-type"), "text/plain; charset=utf-8");
  await client.send(HELLO);
  assert.equal((await client.answer()).body, "GET /  \n");
});

Deno.test("HttpServer answers pipelined requests in their order, also cut anywhere", async () => {
  using server = open();
  const requests = ["a", "b", "c"].map((name) =>
    `POST /${name} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n${name}${name}\n`
  ).join("");
  const expected = ["a", "b", "c"].map((name) => `POST /${name}  ${name}${name}\n\n`);
  for (let cut = 0; cut < requests.length; cut += 7) {
    using client = await Client.connect(server.port);
    await client.send(requests.slice(0, cut));
    await client.send(requests.slice(cut));
    for (const body of expected) assert.equal((await client.answer()).body, body);
  }
});

Deno.test("HttpServer answers HEAD without a body, as long as it would be", async () => {
  using server = open();
  using client = await Client.connect(server.port);
  await client.send(HELLO.replace("GET", "HEAD"));
  const { headers } = await client.answer({ bodiless: true });
  assert.equal(headers.get("content-length"), String("HEAD /  \n".length));
  await client.send(HELLO);
  assert.equal((await client.answer()).body, "GET /  \n");
});

Deno.test("HttpServer closes the connection when the client asks for it, or speaks HTTP/1.0", async () => {
  using server = open();
  for (
    const text of [
      "GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Close\r\n\r\n",
      "GET / HTTP/1.0\r\n\r\n",
      "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    ]
  ) assert.equal((await last(server.port, text)).body, "GET /  \n");
});

Deno.test("HttpServer refuses what is malformed, too large or another protocol, and hangs up", async () => {
  using server = open();
  const head = (...fields: string[]) =>
    `GET / HTTP/1.1\r\nHost: x\r\n${fields.join("\r\n")}\r\n\r\n`;
  const rows: readonly (readonly [text: string, status: number])[] = [
    ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", 505],
    ["GET / HTTP/2\r\n\r\n", 400],
    [`GET /${"a".repeat(100_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 431],
    [head("a: b".repeat(10_000)), 431],
    [head(..."a: b;".repeat(101).split(";").slice(0, -1)), 431],
    ["\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n", 400], // TLS
    [head("Transfer-Encoding: gzip"), 501],
    [head("Expect: tea"), 417],
    ["CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n", 400],
    [`${head("Transfer-Encoding: chunked")}zz\r\n`, 400],
    [`${head("Transfer-Encoding: chunked")}1\r\nab\r\n`, 400],
    [`${head("Transfer-Encoding: chunked")}1;${"a".repeat(5000)}\r\n`, 400],
    [`${head("Transfer-Encoding: chunked")}0\r\n${"a: b\r\n".repeat(40)}\r\n`, 431],
    [`${head("Transfer-Encoding: chunked")}ffffffff\r\nwhatever!`, 413],
    [head("Content-Length: 9"), 413],
    [head("Content-Length: 99999999999"), 413],
  ];
  for (const [text, status] of rows) {
    assert.equal((await last(server.port, text)).status, status, text.slice(0, 80));
  }
});

Deno.test("HttpServer reads bodies of either framing", async () => {
  using server = open();
  using client = await Client.connect(server.port);
  const chunked = "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n";
  await client.send(
    `${chunked}3;x=y\r\nab\xc3\r\n0002\r\n\xbcc\r\n0\r\ntrailer: 1\r\n\r\n${HELLO}`,
  );
  assert.equal((await client.answer()).body, "POST /c  ab\xc3\xbcc\n"); // a letter cut in two
  assert.equal((await client.answer()).body, "GET /  \n");
});

Deno.test("HttpServer tells a client that waits for it to send its body", async () => {
  using server = open();
  using client = await Client.connect(server.port);
  const head = (path: string) =>
    `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n`;
  await client.send(head("/read"));
  assert.equal((await client.answer()).status, 100);
  await client.send("ab");
  assert.equal((await client.answer()).body, "POST /read  ab\n");
  await client.send(head("/unread"));
  assert.equal((await client.answer()).headers.get("connection"), "close");
  await client.ended();
});

Deno.test("HttpServer skips a short body that nobody asked for, and hangs up before a long one", async () => {
  using server = open();
  using client = await Client.connect(server.port);
  await client.send(`PUT /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde${HELLO}`);
  assert.equal((await client.answer()).body, "PUT /unread  \n");
  assert.equal((await client.answer()).body, "GET /  \n");
  for (const framing of ["Content-Length: 9000000", "Transfer-Encoding: chunked"]) {
    const text = `PUT /unread HTTP/1.1\r\nHost: x\r\n${framing}\r\n\r\n`;
    assert.equal((await last(server.port, text)).status, 200, framing);
  }
});

Deno.test("HttpServer answers 400 to a body that breaks off", async () => {
  using server = open();
  using client = await Client.connect(server.port);
  await client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
  await client.connection.closeWrite();
  assert.deepEqual((await client.answer()).body, "the body breaks off\n");
});

Deno.test("HttpServer answers 500 to what the handler throws, and goes on", async () => {
  let calls = 0;
  using server = open((request) => {
    if (calls++ === 0) throw new Error("broken", { cause: new Error("inside") });
    return echo(request);
  });
  const answer = await fetch(`http://127.0.0.1:${server.port}/`);
  assert.deepEqual([answer.status, await answer.text()], [500, "broken: inside\n"]);
  assert.equal(await get("127.0.0.1", server.port), "GET /  \n");
});

Deno.test("HttpServer disposed of lets go of the port and of those who are connected", async () => {
  const server = open();
  using idle = await Client.connect(server.port);
  await idle.send(HELLO);
  await idle.answer();
  server[Symbol.dispose]();
  await idle.ended();
  using again = new HttpServer(`127.0.0.1:${server.port}`, { handler: echo, limits });
  assert.equal(await get("127.0.0.1", again.port), "GET /  \n");
});

Deno.test("HttpServer.stop() lets a request end, and cuts off who says nothing", async () => {
  const released = Promise.withResolvers<void>();
  let asked = 0;
  const server = open(async (request) => {
    asked++;
    if (request.path === "/slow") await released.promise;
    return await echo(request);
  });
  using idle = await Client.connect(server.port);
  await idle.send(HELLO);
  await idle.answer();
  using slow = await Client.connect(server.port);
  await slow.send(HELLO.replace("/", "/slow"));
  await waitFor("the request", () => asked === 2);
  const stopped = server.stop(60_000);
  await idle.ended();
  await assert.rejects(Client.connect(server.port));
  released.resolve();
  const { body, headers } = await slow.answer();
  assert.deepEqual([body, headers.get("connection")], ["GET /slow  \n", "close"]);
  slow[Symbol.dispose]();
  await stopped;
});

Deno.test("HttpServer survives having no descriptor for one more connection", async () => {
  const urls = ["message", "server"].map((name) =>
    JSON.stringify(new URL(`../../../src/http/server/${name}.ts`, import.meta.url))
  );
  const script = `const { textResponse } = await import(${urls[0]});
    const { HttpServer } = await import(${urls[1]});
    const handler = () => textResponse(200, "hello");
    console.log(new HttpServer("127.0.0.1:0", { handler, limits: { total: 256, reserved: 32 } }).port);`;
  await using child = new Deno.Command("sh", {
    args: ["-c", 'ulimit -n 100; exec "$0" eval "$1"', Deno.execPath(), script],
    stdout: "piped",
  }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).values();
  const port = Number((await lines.next()).value);
  const clients: Client[] = [];
  for (let count = 0; count < 300; count++) clients.push(await Client.connect(port));
  // Nobody leaves; and the newest is served all the same.
  await waitFor("an answer", async () => await get("127.0.0.1", port) === "hello\n");
  for (const client of clients) client[Symbol.dispose]();
});

Deno.test("HttpServer hangs up on who is idle for longest when too many are connected", async () => {
  using server = open();
  const clients: Client[] = [];
  for (let count = 0; count < 300; count++) clients.push(await Client.connect(server.port));
  await Promise.all(clients.slice(0, 44).map((client) => client.ended()));
  assert.equal(await get("127.0.0.1", server.port), "GET /  \n");
  for (const client of clients.slice(100)) await client.send(HELLO);
  for (const client of clients.slice(100)) assert.equal((await client.answer()).status, 200);
  for (const client of clients) client[Symbol.dispose]();
});

Deno.test("HttpServer waits 5 s for a head, and 10 s for a response to be read", async () => {
  const huge = new Uint8Array(64 * 1024 * 1024);
  using server = open(() => ({ status: 200, type: "text/plain", body: huge }));
  const start = performance.now();
  const seconds = async (client: Client, ended: Promise<unknown>) => {
    await ended;
    client[Symbol.dispose]();
    return (performance.now() - start) / 1000;
  };
  const silent = await Client.connect(server.port);
  const slow = await Client.connect(server.port);
  const trickle = async () => {
    for (const char of HELLO.repeat(100).replaceAll("\r\n\r\n", "\r\n")) {
      await slow.send(char).catch(() => {});
      const isOver = await waitFor("a pause", () =>
        new Promise<boolean>((resolve) => {
          setTimeout(() => resolve(true), 100);
        }));
      assert.ok(isOver);
      if (performance.now() - start > 9000) return;
    }
  };
  const reader = await Client.connect(server.port);
  await reader.send(HELLO);
  const isCut = async () => {
    await waitFor("its end", async () => {
      try {
        await reader.send(HELLO);
        return false;
      } catch {
        return true;
      }
    }, { timeout: 60_000, interval: 100 });
  };
  const [first, second, third] = await Promise.all([
    seconds(silent, silent.ended()),
    seconds(slow, slow.ended()),
    seconds(reader, isCut()),
    trickle(),
  ]);
  for (const time of [first, second]) assert.ok(time > 4.9 && time < 30, `${time}`);
  assert.ok(third > 9.9 && third < 60, `${third}`);
});

/** Connects, and takes the connection back (RST) before this returns, and so before anybody accepts it. */
function connectAndReset(port: number): void {
  const [AF_UNSPEC, AF_INET, SOCK_STREAM] = [0, 2, 1];
  const address = (family: number) =>
    Uint8Array.of(family, 0, port >> 8, port & 255, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0);
  const fd = check("make a socket", libc().socket(AF_INET, SOCK_STREAM, 0));
  check("connect", libc().connect(fd, address(AF_INET), 16));
  check("disconnect", libc().connect(fd, address(AF_UNSPEC), 16)); // tcp_disconnect() resets
  libc().close(fd);
}

Deno.test("HttpServer takes as many connections after others were reset before it took them", async () => {
  using server = open();
  using before = await Client.connect(server.port);
  await before.send(HELLO);
  await before.answer();
  for (let count = 0; count < 200; count++) connectAndReset(server.port);
  const start = performance.now();
  const clients: Client[] = [];
  try {
    for (let count = 0; count < 40; count++) clients.push(await Client.connect(server.port));
    for (const client of [before, ...clients]) {
      await client.send(HELLO);
      assert.equal((await client.answer()).status, 200);
    }
    const took = performance.now() - start;
    assert.ok(took < 1500, `${took} ms: none of them makes the others wait`);
  } finally {
    for (const client of clients) client[Symbol.dispose]();
  }
});
