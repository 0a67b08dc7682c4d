import assert from "node:assert/strict";
import { HttpsServer } from "../../src/http/https_server.ts";
import type { CertificateError } from "../../src/http/server/certificate.ts";
import { textResponse } from "../../src/http/server/message.ts";
import { openLibc } from "../../src/os/libc.ts";
import { waitFor } from "../lab/wait.ts";
import { Authority } from "./pki.ts";

openLibc(); // which stays

const NAMES = ["IP:127.0.0.1"];

/** Two authorities, each with a certificate for the server, which a mounted Secret takes in turns. */
class Bench implements AsyncDisposable {
  readonly told: (string | undefined)[] = [];
  readonly #authorities: Record<string, string> = {};
  #server: HttpsServer | undefined;
  port = 0;
  /** Requests to `/slow` are answered when this resolves. */
  readonly answer: PromiseWithResolvers<void> = Promise.withResolvers();
  slow = 0;

  private constructor(readonly directory: string) {}

  static async open(): Promise<Bench> {
    const bench = new Bench(await Deno.makeTempDir({ prefix: "kg-https-" }));
    for (const name of ["a", "b"]) {
      const directory = `${bench.directory}/${name}`;
      await Deno.mkdir(directory);
      const authority = await Authority.create(directory);
      await authority.issue("tls", { subject: `/CN=${name}`, names: NAMES });
      bench.#authorities[name] = await Deno.readTextFile(authority.certificate);
    }
    await bench.mount("a");
    for (const file of ["tls.crt", "tls.key"]) {
      await Deno.symlink(`..data/${file}`, `${bench.directory}/${file}`);
    }
    bench.#server = await HttpsServer.open("127.0.0.1:0", {
      certFile: `${bench.directory}/tls.crt`,
      keyFile: `${bench.directory}/tls.key`,
      descriptors: 1024,
      handler: async ({ path }) => {
        if (path === "/slow") {
          bench.slow++;
          await bench.answer.promise;
        }
        return { status: 200, type: "text/plain", body: "hello" };
      },
      renewed: (problem) => bench.told.push(problem?.message),
    });
    bench.port = bench.#server.port;
    return bench;
  }

  /** Another directory takes the place of the mounted one, as the kubelet does it. */
  async mount(name: string): Promise<void> {
    await Deno.symlink(name, `${this.directory}/..tmp`);
    await Deno.rename(`${this.directory}/..tmp`, `${this.directory}/..data`);
  }

  /** A client that trusts one of the authorities alone. */
  client(name: string): Deno.HttpClient {
    return Deno.createHttpClient({ caCerts: [this.#authorities[name]!], http2: false });
  }

  async get(client: Deno.HttpClient, path = "/"): Promise<string> {
    const response = await fetch(`https://127.0.0.1:${this.port}${path}`, { client });
    return await response.text();
  }

  /** Whose certificate a new connection is shown. */
  async shown(): Promise<string[]> {
    const names: string[] = [];
    for (const name of Object.keys(this.#authorities)) {
      using client = this.client(name);
      if (await this.get(client).catch(() => "") === "hello") names.push(name);
    }
    return names;
  }

  async stop(patience: number): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    await server?.stop(patience);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop(1000);
    await Deno.remove(this.directory, { recursive: true });
  }
}

Deno.test("a renewed certificate is shown to the next connection; others go on undisturbed", async () => {
  await using bench = await Bench.open();
  assert.deepEqual(await bench.shown(), ["a"]);
  using before = bench.client("a");
  assert.equal(await bench.get(before), "hello");
  using waiting = bench.client("a");
  const late = bench.get(waiting, "/slow");
  await waitFor("the slow request", () => bench.slow === 1);

  await bench.mount("b");
  assert.deepEqual(await bench.shown(), ["b"]);
  assert.equal(await bench.get(before), "hello"); // on its connection from before
  bench.answer.resolve();
  assert.equal(await late, "hello");
  assert.deepEqual(bench.told, [undefined]);
  await bench.mount("a");
  assert.deepEqual(await bench.shown(), ["a"]);
});

Deno.test("no connection is lost while certificates are renewed again and again", async () => {
  await using bench = await Bench.open();
  // Both authorities are trusted: what is looked for is a connection that breaks.
  const caCerts = await Promise.all(
    ["a", "b"].map((name) => Deno.readTextFile(`${bench.directory}/${name}/ca.crt`)),
  );
  let renewals = 0, answered = 0;
  const ask = async () => {
    while (renewals < 20) {
      using client = Deno.createHttpClient({ caCerts, http2: false });
      for (let times = 0; times < 3; times++) assert.equal(await bench.get(client), "hello");
      answered++;
    }
  };
  const renew = async () => {
    for (; renewals < 20; renewals++) {
      await bench.mount(renewals % 2 === 0 ? "b" : "a");
      const goal = answered + 3;
      await waitFor("some connections", () => answered >= goal && bench.told.length > renewals);
    }
  };
  await Promise.all([renew(), ask(), ask(), ask()]);
  assert.deepEqual(bench.told, Array(20).fill(undefined));
});

Deno.test("a broken certificate leaves the one before in use, and is told of once", async () => {
  await using bench = await Bench.open();
  await Deno.mkdir(`${bench.directory}/mixed`);
  await Deno.copyFile(`${bench.directory}/b/tls.crt`, `${bench.directory}/mixed/tls.crt`);
  await Deno.copyFile(`${bench.directory}/a/tls.key`, `${bench.directory}/mixed/tls.key`);
  await bench.mount("mixed");
  assert.deepEqual(await bench.shown(), ["a"]);
  assert.deepEqual(await bench.shown(), ["a"]);
  assert.equal(bench.told.length, 1);
  assert.match(bench.told[0]!, /tls\.crt with the key .*tls\.key cannot be used: the key does not/);

  await Deno.remove(`${bench.directory}/mixed/tls.crt`);
  assert.deepEqual(await bench.shown(), ["a"]);
  assert.match(bench.told[1]!, /cannot be used: No such file/);
  await bench.mount("b");
  assert.deepEqual(await bench.shown(), ["b"]);
  assert.deepEqual(bench.told.slice(2), [undefined]);
});

Deno.test("open() refuses a certificate that cannot be used", async () => {
  await using bench = await Bench.open();
  const { directory } = bench;
  await Deno.writeTextFile(`${directory}/garbage`, "garbage");
  const rows = [
    ["nowhere", "a/tls.key", "No such file"],
    ["a/tls.crt", "b/tls.key", "the key does not belong to"],
    ["garbage", "a/tls.key", "no PEM certificate"],
    ["a/tls.crt", "garbage", "no PEM private key"],
  ];
  for (const [cert, key, why] of rows) {
    const files = { certFile: `${directory}/${cert}`, keyFile: `${directory}/${key}` };
    const options = {
      ...files,
      descriptors: 1024,
      handler: () => textResponse(200, ""),
      renewed() {},
    };
    await assert.rejects(HttpsServer.open("127.0.0.1:0", options), (error: CertificateError) => {
      assert.equal(error.name, "CertificateError");
      return error.message.includes(why!) && error.message.includes(files.certFile);
    });
  }
});

Deno.test("connections that say nothing, or nonsense, hold nobody up", async () => {
  await using bench = await Bench.open();
  const silent: Deno.TcpConn[] = [];
  for (let count = 0; count < 300; count++) {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: bench.port });
    silent.push(connection);
    if (count % 3 === 0) await connection.write(new TextEncoder().encode("GET / HTTP/1.1\r\n"));
  }
  assert.deepEqual(await bench.shown(), ["a"]);
  for (const connection of silent) connection.close();
  assert.deepEqual(await bench.shown(), ["a"]);
});

Deno.test("only HTTP/1.1 is spoken", async () => {
  await using bench = await Bench.open();
  const caCerts = [await Deno.readTextFile(`${bench.directory}/a/ca.crt`)];
  using connection = await Deno.connectTls({
    ...{ hostname: "127.0.0.1", port: bench.port, caCerts, alpnProtocols: ["h2", "http/1.1"] },
  });
  const { alpnProtocol } = await connection.handshake();
  assert.notEqual(alpnProtocol, "h2");
  await connection.write(new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
  const buffer = new Uint8Array(1000);
  const count = await connection.read(buffer);
  assert.match(new TextDecoder().decode(buffer.subarray(0, count!)), /^HTTP\/1\.1 505 /);
});

/** On which this process listens. */
function listeningPorts(): number[] {
  const sockets = new Set<string>();
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    try {
      sockets.add(Deno.readLinkSync(`/proc/self/fd/${name}`));
    } catch {
      // it was the directory's own
    }
  }
  return Deno.readTextFileSync("/proc/self/net/tcp").split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , state, , , , , , inode]) => state === "0A" && sockets.has(`socket:[${inode}]`))
    .map(([, address]) => parseInt(address!.split(":")[1]!, 16));
}

Deno.test("nobody gets at TLS but through the server and its limits", async () => {
  await using bench = await Bench.open();
  using client = bench.client("a");
  assert.equal(await bench.get(client), "hello");
  assert.deepEqual(listeningPorts(), [bench.port]);
});

Deno.test("stop() lets a request end, but takes no more", async () => {
  await using bench = await Bench.open();
  using client = bench.client("a");
  const late = bench.get(client, "/slow");
  await waitFor("the slow request", () => bench.slow === 1);
  const stopped = bench.stop(60_000);
  using other = bench.client("a");
  await assert.rejects(bench.get(other));
  bench.answer.resolve();
  assert.equal(await late, "hello");
  await stopped;
});

Deno.test("stop() waits no longer than it is told to", async () => {
  await using bench = await Bench.open();
  using client = bench.client("a");
  const lost = assert.rejects(bench.get(client, "/slow"));
  await waitFor("the slow request", () => bench.slow === 1);
  using _silent = await Deno.connect({ hostname: "127.0.0.1", port: bench.port });
  await bench.stop(100);
  await lost;
  bench.answer.resolve();
});
