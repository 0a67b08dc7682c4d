/** Ways to an API server: certificates that cannot be verified, plain HTTP, redirects, proxies. */

import assert from "node:assert/strict";
import { Client } from "../../src/kubernetes/client.ts";
import type { ClientConfig } from "../../src/kubernetes/config.ts";
import { ConnectionError, StatusError } from "../../src/kubernetes/error.ts";
import { build } from "../../tools/build.ts";
import { run } from "../../tools/command.ts";
import { waitFor } from "../lab/wait.ts";
import { ADMIN_TOKEN, ApiServer } from "./api_server.ts";
import { Authority } from "./pki.ts";

const NODES = "/api/v1/nodes";
/** Of the API server's certificate; nothing of the kind is there. */
const FAR = "192.0.2.9";

let server: ApiServer;
let directory: string;
let authority: Authority;
let kgctl: string;

Deno.test.beforeAll(async () => {
  directory = await Deno.makeTempDir({ prefix: "kg-access-" });
  kgctl = `${directory}/kgctl`;
  await Deno.symlink(await build(), kgctl);
  server = await ApiServer.start({ addresses: [FAR] });
  authority = await Authority.create(directory);
});

Deno.test.afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await Deno.remove(directory, { recursive: true });
});

const never = new AbortController().signal;
const text = (name: string) => Deno.readTextFileSync(`${directory}/${name}`);
const openssl = (args: string) => run(["openssl", ...args.split(" ")], { cwd: directory });

/** A server that answers every request with this certificate; its URL. */
function serveWith(name: string): Deno.HttpServer<Deno.NetAddr> {
  const options = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  const pair = { cert: text(`${name}.crt`), key: text(`${name}.key`) };
  return Deno.serve({ ...options, ...pair }, () => new Response("{}"));
}

interface Ran {
  readonly code: number;
  readonly errors: string;
}

/** Runs `kgctl graph` with this kubeconfig. */
async function graph(kubeconfig: string, env: Readonly<Record<string, string>> = {}): Promise<Ran> {
  const { code, stderr } = await new Deno.Command(kgctl, {
    args: ["graph", "--kubeconfig", kubeconfig],
    env: { ...env },
    clearEnv: true,
    stdin: "null",
  }).output();
  return { code, errors: new TextDecoder().decode(stderr) };
}

async function kubeconfigFor(url: string, ca: string | undefined): Promise<string> {
  const path = `${directory}/kubeconfig`;
  const trust = ca === undefined ? {} : { "certificate-authority": `${directory}/${ca}.crt` };
  const clusters = [{ name: "c", cluster: { server: url, ...trust } }];
  const users = [{ name: "u", user: { token: ADMIN_TOKEN } }];
  const contexts = [{ name: "c", context: { cluster: "c", user: "u" } }];
  const config = { clusters, users, contexts, "current-context": "c" };
  await Deno.writeTextFile(path, JSON.stringify(config));
  return path;
}

Deno.test("a server's certificate that cannot be verified: what is wrong, and what to do", async () => {
  const san = "subjectAltName=IP:127.0.0.1";
  const self = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=kubernetes";
  await openssl(`${self} -keyout own.key -out own.crt -addext ${san}`);
  const plain = "-addext basicConstraints=critical,CA:FALSE";
  await openssl(`${self} -keyout fits.key -out fits.crt ${plain} -addext ${san}`);
  await openssl(`${self} -keyout nameless.key -out nameless.crt ${plain}`);
  const names = ["IP:127.0.0.1"];
  await authority.issue("leaf", { subject: "/CN=kubernetes", names });
  await authority.issueUntil("old", { subject: "/CN=old", end: new Date(Date.now() - 1000) });
  const cases: readonly (readonly [string, string | undefined, RegExp | undefined])[] = [
    ["own", "own", /CA:TRUE, as `openssl req -x509` makes them.*make one with `openssl req -x509/],
    ["leaf", "leaf", /give the certificate of the CA that signed it, not the server's own/],
    ["leaf", "own", /signed by none of those in certificate-authority/],
    ["leaf", undefined, /signed by nobody whom this system trusts: give certificate-authority/],
    ["nameless", "nameless", /not made for that name or address.*subjectAltName/],
    ["old", "ca", /is not valid: .*expired/],
    ["leaf", "ca", undefined],
    ["fits", "fits", undefined], // which the sentence for the first recommends
  ];
  for (const [name, ca, expected] of cases) {
    const answering = serveWith(name);
    const url = `https://127.0.0.1:${answering.addr.port}`;
    const { code, errors } = await graph(await kubeconfigFor(url, ca));
    await answering.shutdown();
    assert.equal(code, 1);
    const title = `${name} with ${ca}`;
    if (expected === undefined) assert.doesNotMatch(errors, /certificate of https/, title);
    else assert.match(errors, expected, title);
  }
});

/** A client, and what it says of its configuration. */
async function open(config: ClientConfig): Promise<{ client: Client; faults: string[] }> {
  const faults: string[] = [];
  const client = await Client.open(config, { report: (now) => void faults.splice(0, 9, ...now) });
  return { client, faults };
}

Deno.test("credentials that leave this machine in clear are warned of, and those alone", async () => {
  const authorization = { token: ADMIN_TOKEN };
  const said = async (url: string, config: Partial<ClientConfig> = { authorization }) => {
    const { client, faults } = await open({ server: new URL(url), ...config });
    client[Symbol.dispose]();
    return faults.join();
  };
  const message = "credentials go to http://192.0.2.9 in clear: give an https URL";
  assert.equal(await said("http://192.0.2.9/"), message);
  assert.equal(await said("http://127.0.0.1:8080/"), "");
  assert.equal(await said("http://[::1]:8080/"), "");
  assert.equal(await said("http://localhost/"), "");
  assert.equal(await said("https://192.0.2.9/"), "");
  assert.equal(await said("http://192.0.2.9/", {}), "", "there is nothing to hide");
});

Deno.test("no redirect is followed, and nobody else is shown the credentials", async () => {
  const seen: string[] = [];
  const options = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  const other = Deno.serve(options, (request) => {
    seen.push(request.url);
    return new Response("{}");
  });
  let status = 301;
  const location = `http://localhost:${other.addr.port}${NODES}`;
  const first = Deno.serve(options, () => new Response(null, { status, headers: { location } }));
  const config = { server: new URL(`http://127.0.0.1:${first.addr.port}/`) };
  const { client } = await open({ ...config, authorization: { token: ADMIN_TOKEN } });
  for (status of [301, 302, 303, 307, 308]) {
    const code = status;
    const isThat = (error: unknown) => error instanceof StatusError && error.code === code;
    await assert.rejects(client.get(NODES), isThat);
    await assert.rejects(client.patch(NODES, { type: "merge", body: {} }), isThat);
    const ending = new AbortController();
    await assert.rejects(client.stream(NODES, { ending }), isThat);
  }
  assert.deepEqual(seen, []);
  client[Symbol.dispose]();
  await Promise.all([first.shutdown(), other.shutdown()]);
});

/** A proxy that leads every CONNECT to the API server, and remembers their heads. */
class Proxy implements AsyncDisposable {
  readonly heads: string[] = [];
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #running = this.#run();

  get host(): string {
    return `127.0.0.1:${this.#listener.addr.port}`;
  }

  async #run(): Promise<void> {
    const passing: Promise<void>[] = [];
    for await (const visitor of this.#listener) passing.push(this.#pass(visitor).catch(() => {}));
    await Promise.all(passing);
  }

  async #pass(visitor: Deno.TcpConn): Promise<void> {
    using _visitor = visitor;
    let head = "";
    const buffer = new Uint8Array(4096);
    while (!head.includes("\r\n\r\n")) {
      const length = await visitor.read(buffer);
      if (length === null) return;
      head += new TextDecoder().decode(buffer.subarray(0, length));
    }
    this.heads.push(head);
    const target = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
    await visitor.write(new TextEncoder().encode("HTTP/1.1 200 OK\r\n\r\n"));
    const forth = visitor.readable.pipeTo(target.writable);
    await Promise.allSettled([forth, target.readable.pipeTo(visitor.writable)]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#running;
  }
}

Deno.test("the proxies of kubeconfig and environment are taken, but not for this machine", async () => {
  const far = { server: `https://${FAR}:6443` };
  const user = { token: ADMIN_TOKEN };
  const isThere = /CustomResourceDefinition peers.kilo.squat.ai is not installed/;
  const throughProxy = async (
    kubeconfig: string,
    env: (host: string) => Readonly<Record<string, string>>,
  ): Promise<{ errors: string; heads: readonly string[] }> => {
    await using proxy = new Proxy();
    const written = await Deno.readTextFile(kubeconfig);
    await Deno.writeTextFile(kubeconfig, written.replace("PROXY", proxy.host));
    const { errors } = await graph(kubeconfig, env(proxy.host));
    return { errors, heads: proxy.heads };
  };
  const remote = await server.writeKubeconfig("far", user, far);
  for (const name of ["HTTPS_PROXY", "https_proxy"]) {
    const { errors, heads } = await throughProxy(remote, (host) => ({ [name]: `http://${host}` }));
    assert.match(errors, isThere);
    assert.match(heads[0]!, new RegExp(`^CONNECT ${FAR}:6443 `));
  }
  const login = await throughProxy(
    remote,
    (host) => ({ HTTPS_PROXY: `http://me:pa%20ss@${host}` }),
  );
  assert.match(login.errors, isThere);
  assert.ok(login.heads[0]!.toLowerCase().includes(`: basic ${btoa("me:pa ss")}`.toLowerCase()));

  const named = JSON.parse(await Deno.readTextFile(remote));
  named.clusters[0].cluster["proxy-url"] = "http://PROXY";
  const withProxy = `${server.directory}/with-proxy.kubeconfig`;
  await Deno.writeTextFile(withProxy, JSON.stringify(named));
  const env = { HTTPS_PROXY: "http://127.0.0.1:1", NO_PROXY: "*" };
  assert.match((await throughProxy(withProxy, () => env)).errors, isThere, "it goes before others");

  const all = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];
  for (const host of ["127.0.0.1", "[::1]", "localhost"]) {
    await using gateway = await nearby(host);
    const options = { server: `https://${host}:${gateway.port}` };
    const near = await server.writeKubeconfig("near", user, options);
    const { errors, heads } = await throughProxy(
      near,
      (proxy) => Object.fromEntries(all.map((name) => [name, `http://${proxy}`])),
    );
    assert.match(errors, isThere, host);
    assert.deepEqual(heads, [], host);
  }
});

/** A way to the API server at another loopback address. */
async function nearby(host: string): Promise<{ port: number } & AsyncDisposable> {
  const hostname = host === "[::1]" ? "::1" : "127.0.0.1";
  const listener = Deno.listen({ hostname, port: 0 });
  const run = async () => {
    const passing: Promise<unknown>[] = [];
    for await (const visitor of listener) {
      const target = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
      const forth = visitor.readable.pipeTo(target.writable);
      passing.push(Promise.allSettled([forth, target.readable.pipeTo(visitor.writable)]));
    }
    await Promise.all(passing);
  };
  const running = run();
  return await Promise.resolve({
    port: listener.addr.port,
    async [Symbol.asyncDispose]() {
      listener.close();
      await running;
    },
  });
}

Deno.test("an answer without an end is given up, and one that is no JSON is not shown", async () => {
  const fill = new Uint8Array(1024 * 1024).fill(0x20);
  const options = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  const bodies: Record<string, () => BodyInit> = {
    "/endless": () => new ReadableStream({ pull: (controller) => controller.enqueue(fill) }),
    "/page": () => "<html>s3cret</html>",
  };
  const answering = Deno.serve(
    options,
    ({ url }) => new Response(bodies[new URL(url).pathname]!()),
  );
  const { client } = await open({ server: new URL(`http://127.0.0.1:${answering.addr.port}/`) });
  const fails = (path: string, expected: RegExp) =>
    assert.rejects(client.get(path, { signal: never }), (error) => {
      assert.ok(error instanceof ConnectionError);
      const cause = String(error.cause);
      assert.match(cause, expected);
      assert.doesNotMatch(cause, /s3cret/);
      return true;
    });
  await fails("/endless", /more than 64 MB/);
  await fails("/page", /no JSON/);
  client[Symbol.dispose]();
  await waitFor("the body to be let go", () => answering.shutdown().then(() => true));
});
