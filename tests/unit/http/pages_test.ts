import assert from "node:assert/strict";
import { pages, type Sources } from "../../../src/http/pages.ts";
import type { HttpRequest, HttpResponse } from "../../../src/http/server/message.ts";
import { parseRequestHead } from "../../../src/http/server/request_head.ts";
import { limitsFor } from "../../../src/http/server/clients.ts";
import { HttpServer } from "../../../src/http/server/server.ts";
import { openLibc } from "../../../src/os/libc.ts";

openLibc(); // which stays

const DOT = 'digraph kilo {\n\t"a"->"b"[ dir=both ];\n}\n';

const SOURCES: Sources = {
  health: () => ({ ready: true, pending: null, parts: [] }),
  metrics: () => [{ name: "x", help: "X.", type: "gauge", samples: [{ value: 1 }] }],
  mesh: () => ({ dot: DOT }),
  trimMemory() {},
};

const request = (target: string, method = "GET"): HttpRequest => {
  const { path, query } = parseRequestHead(`${method} ${target} HTTP/1.1\r\nHost: x`);
  return { method, path, query, header: () => "", text: () => Promise.resolve("") };
};

async function ask(target: string, sources: Partial<Sources> = {}, method = "GET") {
  const handler = pages({ ...SOURCES, ...sources });
  const { status, type, body } = await handler(request(target, method));
  return { status, type, text: textOf(body) };
}

function textOf(body: HttpResponse["body"]): string {
  return typeof body === "string" ? body : new TextDecoder().decode(body);
}

Deno.test("/health answers 200 to any method, whatever the state; /ready 503 if not ready", async () => {
  const report = { ready: false, pending: "Nodes and Peers", parts: [] };
  const sources = { health: () => report };
  for (const method of ["GET", "POST", "DELETE", "OPTIONS", "FOO"]) {
    const { status, type, text } = await ask("/health?x=%zz", sources, method);
    assert.deepEqual([status, type], [200, "application/json"], method);
    assert.deepEqual(JSON.parse(text), report);
  }
  const unready = await ask("/ready", sources);
  assert.deepEqual([unready.status, JSON.parse(unready.text)], [503, report]);
  assert.equal((await ask("/ready")).status, 200);
});

Deno.test("/metrics is Prometheus' text", async () => {
  assert.deepEqual(await ask("/metrics"), {
    status: 200,
    type: "text/plain; version=0.0.4; charset=utf-8",
    text: "# HELP x X.\n# TYPE x gauge\nx 1\n",
  });
});

Deno.test("/ and unknown paths are an index with links to all pages", async () => {
  for (const path of ["/", "/debug/pprof", "/health/", "//", "/%zz", "/metrics2"]) {
    const { status, type, text } = await ask(path);
    assert.deepEqual([status, type], [200, "text/html; charset=utf-8"], path);
    for (const page of ["/health", "/ready", "/metrics", "/graph"]) {
      assert.ok(text.includes(`href="${page}"`), page);
    }
  }
});

Deno.test("/graph draws each format with its media type", async () => {
  const starts = {
    "": ["image/svg+xml", /^<\?xml[^]*<svg [^]*<title>a<\/title>[^]*<\/svg>\s*$/],
    "format=svg&layout=dot": ["image/svg+xml", /<svg /],
    "format=&layout=": ["image/svg+xml", /<svg /],
    "format=json": ["application/json", /^\{\s+"name": "kilo"/],
    "format=ps": ["application/postscript", /^%!PS-Adobe/],
    "format=fig": ["image/x-xfig", /^#FIG/],
    "format=svg&format=png": ["image/svg+xml", /<svg /],
  } as const;
  for (const [query, [type, pattern]] of Object.entries(starts)) {
    const answer = await ask(`/graph?${query}`);
    assert.deepEqual([answer.status, answer.type], [200, type], query + answer.text);
    assert.match(answer.text, pattern, query);
  }
});

Deno.test("/graph knows the layouts of the original", async () => {
  const drawings = new Set<string>();
  for (const layout of ["circo", "dot", "neato", "twopi", "fdp"]) {
    const { status, text } = await ask(`/graph?layout=${layout}`);
    assert.equal(status, 200, layout);
    drawings.add(text);
  }
  assert.ok(drawings.size > 1, "they differ");
  assert.equal((await ask("/graph")).text, (await ask("/graph?layout=circo")).text);
});

Deno.test("/graph gives the raw text as dot and gv, whatever the layout", async () => {
  for (const query of ["format=dot", "format=gv", "format=dot&layout=nonsense"]) {
    assert.deepEqual(await ask(`/graph?${query}`), {
      ...{ status: 200, type: "text/plain; charset=utf-8", text: DOT },
    });
  }
});

Deno.test("/graph refuses what it cannot do with 400 and names it", async () => {
  const unsupported = {
    "format=png": /^format "png" is none of svg, json, ps, fig, dot, gv\n$/,
    "format=bmp&layout=dot": /^format "bmp" /,
    "format=gif": /^format "gif" /,
    "format=constructor": /^format "constructor" /,
    "format=SVG": /^format "SVG" /,
    "format=%00%ff": /^format /,
    "layout=patchwork": /^layout "patchwork" is none of circo, dot, neato, twopi, fdp\n$/,
    "format=json&layout=%3Cscript%3E": /^layout "<script>" /,
  };
  for (const [query, pattern] of Object.entries(unsupported)) {
    const { status, type, text } = await ask(`/graph?${query}`);
    assert.deepEqual([status, type], [400, "text/plain; charset=utf-8"], query);
    assert.match(text, pattern, query);
  }
});

Deno.test("/graph answers 500 with the reason if there is no mesh, or none that can be drawn", async () => {
  const problem = "no node is ready";
  const none = await ask("/graph", { mesh: () => ({ problem }) });
  assert.deepEqual([none.status, none.text], [500, `${problem}\n`]);
  const broken = await ask("/graph", { mesh: () => ({ dot: "digraph {" }) });
  assert.equal(broken.status, 500);
  assert.match(broken.text, /^drawing failed: .*syntax error/i);
  const huge = await ask("/graph", { mesh: () => ({ dot: "a->b;".repeat(2001) }) });
  assert.equal(huge.status, 500);
  assert.match(huge.text, /2001 edges .* format=dot/);
});

/** So many nodes, all of which lead. */
function fullMesh(count: number): { dot: string } {
  const names = Array.from({ length: count }, (_, n) => `n${n}`);
  const edges = names.flatMap((a, n) => names.slice(n + 1).map((b) => `${a}->${b};`));
  return { dot: `digraph {\noverlap=false;\n${edges.join("\n")}\n}` };
}

Deno.test("/graph draws a mesh that circo would take a minute for, once for all who ask", async () => {
  let mesh = fullMesh(40), drawn = 0; // twice for each drawing
  const handler = pages({ ...SOURCES, mesh: () => mesh, trimMemory: () => void drawn++ });
  const graph = (query = "") => handler(request(`/graph${query}`));
  const first = [graph(), graph(), graph()];
  const busy = await graph("?format=json");
  assert.deepEqual([busy.status, busy.retryAfter], [503, 2]);
  const bodies = await Promise.all(first.map(async (answer) => (await answer).body));
  assert.match(textOf(bodies[0]!), /<svg /);
  assert.equal(new Set(bodies).size, 1, "they share the same bytes");
  assert.equal((await graph()).body, bodies[0]);
  assert.equal(drawn, 2);
  assert.equal((await graph("?format=json")).status, 200);
  assert.equal(drawn, 4);
  mesh = fullMesh(3);
  assert.notEqual((await graph()).body, bodies[0]);
  assert.equal(drawn, 6);
});

Deno.test("/graph makes its text once, and remembers what cannot be drawn", async () => {
  const mesh = { dot: "digraph {" };
  let drawn = 0; // twice for each drawing
  const handler = pages({ ...SOURCES, mesh: () => mesh, trimMemory: () => void drawn++ });
  const graph = (query: string) => handler(request(`/graph${query}`));
  assert.equal((await graph("?format=dot")).body, (await graph("?format=gv")).body);
  for (let times = 0; times < 3; times++) assert.equal((await graph("")).status, 500);
  assert.equal(drawn, 2);
});

Deno.test("/graph computes no mesh for what it refuses", async () => {
  const mesh = () => assert.fail("it is computed");
  assert.equal((await ask("/graph?format=png", { mesh })).status, 400);
});

Deno.test("what is no HTTP, or only nearly, does not end the server", async () => {
  using server = new HttpServer("127.0.0.1:0", {
    handler: pages(SOURCES),
    limits: limitsFor(1024),
  });
  const garbage = [
    "\0\x01\x02\xff\r\n\r\n",
    "GET / HTTP/9.9\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: [::bad\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a b\r\nHost: c\r\n\r\n",
    "GET http://[/graph HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /graph?format=%E0%A4%A&layout=%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    "CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n",
    `GET /${"a".repeat(100_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
    `GET / HTTP/1.1\r\nHost: x\r\n${"a: b\r\n".repeat(500)}\r\n`,
    "POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\nshort",
    "POST /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\xff\x09\xff\xff\xff\xff\xff",
  ];
  for (const request of garbage) {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
    await connection.write(Uint8Array.from(request, (char) => char.charCodeAt(0)));
    await connection.closeWrite();
    await connection.read(new Uint8Array(4096)).catch(() => {});
    connection.close();
  }
  const answer = await fetch(`http://127.0.0.1:${server.port}/health`);
  assert.deepEqual([answer.status, (await answer.json()).ready], [200, true]);
});
