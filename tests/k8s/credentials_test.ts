/** Certificates, keys, tokens and passwords that are replaced while a client of the API server lives. */

import assert from "node:assert/strict";
import { Client } from "../../src/kubernetes/client.ts";
import { ConfigError, StatusError } from "../../src/kubernetes/error.ts";
import { reflect } from "../../src/kubernetes/reflector.ts";
import { configReader } from "../../src/kubernetes/load_config.ts";
import type { KubernetesObject } from "../../src/kubernetes/object.ts";
import { run } from "../../tools/command.ts";
import { waitFor } from "../lab/wait.ts";
import { ADMIN_TOKEN, ApiServer } from "./api_server.ts";
import { Gateway } from "./gateway.ts";
import { node } from "./objects.ts";

const NODES = "/api/v1/nodes";
const ADMIN = "/O=system:masters/CN=somebody";

let server: ApiServer;

Deno.test.beforeAll(async () => {
  server = await ApiServer.start();
  await server.kubectl(["apply", "-f", "-"], [node("a", { podCIDR: "10.42.0.0/24" })]);
});

Deno.test.afterAll(() => server[Symbol.asyncDispose]());

/** A client that reads its kubeconfig and files again, and what it says of them. */
class Watched implements Disposable {
  readonly #told: { readonly faults: readonly string[] };

  private constructor(readonly client: Client, told: { readonly faults: readonly string[] }) {
    this.#told = told;
  }

  static async open(kubeconfig: string, master?: string): Promise<Watched> {
    const reload = configReader({ kubeconfig, master });
    const told: { faults: readonly string[] } = { faults: [] };
    const report = (faults: readonly string[]) => void (told.faults = faults);
    return new Watched(await Client.open(await reload(), { reload, report }), told);
  }

  get said(): string {
    return this.#told.faults.join("\n");
  }

  [Symbol.dispose](): void {
    this.client[Symbol.dispose]();
  }
}

/** Files of this name in the server's directory that hold a certificate and key; answers the user. */
async function install(name: string, from: { certificate: string; key: string }) {
  const [crt, key] = [`${server.directory}/${name}.pem`, `${server.directory}/${name}-key.pem`];
  await Deno.copyFile(from.certificate, crt);
  await Deno.copyFile(from.key, key);
  return { "client-certificate": crt, "client-key": key };
}

const isUnauthorized = (error: unknown) => error instanceof StatusError && error.code === 401;

/** Sees what a watch brings, until disposed of. */
class Reflected implements AsyncDisposable {
  readonly #stop = new AbortController();
  readonly types: string[] = [];
  readonly names: string[] = [];
  readonly #done: Promise<void>;

  constructor(client: Client) {
    this.#done = this.#reflect(client);
  }

  async #reflect(client: Client): Promise<void> {
    const options = { representation: "metadata", batchInterval: 0, idleTimeout: 60_000 } as const;
    const collection = { client, path: NODES };
    const { signal } = this.#stop;
    for await (const update of reflect<KubernetesObject>(collection, { ...options, signal })) {
      this.types.push(update.type);
      if (update.type !== "events") continue;
      this.names.push(...update.events.map(({ object }) => object.metadata.name));
    }
  }

  count(type: string): number {
    return this.types.filter((each) => each === type).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }
}

Deno.test("a certificate that expires and is replaced is used at once, by watches too", async () => {
  const end = new Date(Date.now() + 6000);
  const old = await server.authority.issueUntil("short", { subject: ADMIN, end });
  const user = await install("rotated", old);
  const kubeconfig = await server.writeKubeconfig("rotated", user);
  using watched = await Watched.open(kubeconfig);
  const { client } = watched;
  await using reflected = new Reflected(client);
  await waitFor("the watch", () => reflected.count("live") > 0);
  await waitFor("the certificate to expire", async () => {
    return await client.get(NODES).then(() => false, isUnauthorized);
  }, { timeout: 30_000 });
  const lost = reflected.count("lost");
  await install("rotated", await server.authority.issue("next", { subject: ADMIN }));
  await client.get(NODES); // at the first try
  await server.kubectl(["apply", "-f", "-"], [node("seen")]);
  await waitFor("the watch to tell", () => reflected.names.includes("seen"));
  assert.ok(reflected.count("lost") - lost <= 1, "at most the attempt that was under way");
  assert.equal(watched.said, "");
});

Deno.test("watches begin anew with other credentials, and nothing counts as lost", async () => {
  const tokenFile = `${server.directory}/watch-token`;
  await Deno.writeTextFile(tokenFile, ADMIN_TOKEN);
  const kubeconfig = await server.writeKubeconfig("watch", { tokenFile });
  await using gateway = await Gateway.open(server);
  using watched = await Watched.open(kubeconfig, gateway.url);
  await using reflected = new Reflected(watched.client);
  const watches = () =>
    gateway.requests.flatMap((request, at) =>
      request.includes("watch=1") ? [gateway.authorizations[at]!] : []
    );
  await waitFor("the first watch", () => reflected.count("live") > 0);
  await server.kubectl(["create", "serviceaccount", "watcher"]);
  const next = (await server.kubectl(["create", "token", "watcher"])).trim();
  const binding = "create clusterrolebinding w --clusterrole=cluster-admin";
  await server.kubectl([...binding.split(" "), "--serviceaccount=default:watcher"]);
  await Deno.writeTextFile(tokenFile, `${next}\n`);
  await waitFor("the watch with the new token", async () => {
    await watched.client.get(NODES);
    return watches().at(-1) === `Bearer ${next}`;
  }, { timeout: 30_000 });
  await waitFor("it to be live", () => reflected.count("live") > 1);
  assert.equal(reflected.count("lost"), 0);
  assert.equal(reflected.count("list"), 1, "nothing is listed again");
});

Deno.test("of what is replaced by something that cannot be used, the one before stays in use", async () => {
  const good = await server.authority.issue("good", { subject: ADMIN });
  const other = await server.authority.issue("other", { subject: ADMIN });
  await Deno.writeTextFile(`${server.directory}/ca2.crt`, await Deno.readTextFile(authority()));
  const user = await install("mine", good);
  const kubeconfig = await server.writeKubeconfig("mine", user);
  const text = await Deno.readTextFile(kubeconfig);
  await Deno.writeTextFile(kubeconfig, text.replace('"ca.crt"', '"ca2.crt"'));
  using watched = await Watched.open(kubeconfig);
  const [cert, key] = [user["client-certificate"], user["client-key"]];
  const ca = `${server.directory}/ca2.crt`;
  const v1 = await versionOne();
  const otherKey = await Deno.readTextFile(other.key);
  const half = (await Deno.readTextFile(good.certificate)).slice(0, 300);
  const cases: readonly (readonly [string, string, RegExp])[] = [
    [key, otherKey, /the client key in \S+ does not belong to the client certificate in \S+;/],
    [cert, await Deno.readTextFile(other.certificate), /does not belong to/],
    [cert, v1, /version 1/],
    [cert, half, /holds no PEM certificate/],
    [cert, "", /is empty/],
    [key, "", /is empty/],
    [key, "garbage", /holds no PEM private key/],
    [ca, "garbage", /the certificate authority in \S+ holds no PEM certificate/],
    [ca, "", /the certificate authority in \S+ is empty/],
    [kubeconfig, "]", /is not YAML/],
    [kubeconfig, "", /no current-context/],
    [kubeconfig, text.replace(server.url, "https://192.0.2.7:6443"), /another server now/],
  ];
  for (const [path, content, message] of cases) {
    const before = await Deno.readTextFile(path);
    await Deno.writeTextFile(path, content);
    await waitFor(`a fault: ${message}`, async () => {
      await watched.client.get(NODES); // works all the time
      return message.test(watched.said);
    }, { interval: 100 });
    assert.doesNotMatch(watched.said, new RegExp(otherKey.split("\n")[1]!.slice(0, 20)));
    await Deno.writeTextFile(path, before);
    await waitFor("the fault to go", async () => {
      await watched.client.get(NODES);
      return watched.said === "";
    }, { interval: 100 });
  }
  await Deno.remove(cert);
  await waitFor("the fault", async () => {
    await watched.client.get(NODES);
    return /cannot be read.*stays in use/.test(watched.said);
  });
});

const authority = () => server.authority.certificate;

/** A certificate of X.509's first version, which has no extensions. */
async function versionOne(): Promise<string> {
  const { directory } = server;
  const openssl = (args: string) => run(["openssl", ...args.split(" ")], { cwd: directory });
  await openssl("req -new -key good.key -out v1.csr -subj /CN=v1 -config /dev/null");
  await openssl(
    "x509 -req -in v1.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out v1.crt",
  );
  return await Deno.readTextFile(`${directory}/v1.crt`);
}

Deno.test("a pair that is replaced file by file while a client starts is waited for", async () => {
  const [one, two] = [
    await server.authority.issue("one", { subject: ADMIN }),
    await server.authority.issue("two", { subject: ADMIN }),
  ];
  const user = await install("starting", one);
  await Deno.copyFile(two.certificate, user["client-certificate"]);
  const opening = Watched.open(await server.writeKubeconfig("starting", user));
  await Deno.copyFile(two.key, user["client-key"]);
  using watched = await opening;
  await watched.client.get(NODES);
});

Deno.test("a password or token in the kubeconfig itself is read again when it was refused", async () => {
  const kubeconfig = await server.writeKubeconfig("inline", { token: "outdated" });
  using watched = await Watched.open(kubeconfig);
  await assert.rejects(watched.client.get(NODES), isUnauthorized);
  await server.writeKubeconfig("inline", { token: ADMIN_TOKEN });
  await watched.client.get(NODES);
  const tokenFile = `${server.directory}/gone`;
  await Deno.writeTextFile(tokenFile, ADMIN_TOKEN);
  using file = await Watched.open(await server.writeKubeconfig("file", { tokenFile }));
  for (const content of ["", "two\r\nlines", undefined]) {
    if (content === undefined) await Deno.remove(tokenFile);
    else await Deno.writeTextFile(tokenFile, content);
    await waitFor(`a fault with ${JSON.stringify(content)}`, async () => {
      await file.client.get(NODES);
      return /stays in use/.test(file.said) && file.said.includes(tokenFile);
    });
    assert.doesNotMatch(file.said, /lines/);
  }
});

Deno.test("without anything that worked before, a client says what is wrong and does not open", async () => {
  const pair = await install("mismatch", await server.authority.issue("m1", { subject: ADMIN }));
  const { key } = await server.authority.issue("m2", { subject: ADMIN });
  await Deno.copyFile(key, pair["client-key"]);
  const kubeconfig = await server.writeKubeconfig("mismatch", pair);
  await assert.rejects(
    Watched.open(kubeconfig),
    (error) => error instanceof ConfigError && /does not belong to/.test(error.message),
  );
  const tokenFile = `${server.directory}/crlf`;
  await Deno.writeTextFile(tokenFile, "s3cret\r\nvalue");
  await assert.rejects(
    Watched.open(await server.writeKubeconfig("crlf", { tokenFile })),
    (error) => error instanceof ConfigError && !/s3cret|value/.test(String(error)),
  );
});
