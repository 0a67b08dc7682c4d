import assert from "node:assert/strict";
import { Client } from "../../src/kubernetes/client.ts";
import { ConnectionError, StatusError } from "../../src/kubernetes/error.ts";
import { list, listInChunks, type Listing } from "../../src/kubernetes/list.ts";
import { loadConfig } from "../../src/kubernetes/load_config.ts";
import type { KubernetesObject } from "../../src/kubernetes/object.ts";
import { openWatch } from "../../src/kubernetes/watch.ts";
import { ADMIN_TOKEN, ApiServer } from "./api_server.ts";
import { Gateway } from "./gateway.ts";
import { node } from "./objects.ts";

let server: ApiServer;

Deno.test.beforeAll(async () => {
  server = await ApiServer.start();
  const names = Array.from({ length: 7 }, (_, at) => `n${at}`);
  const nodes = names.map((name) => node(name, { podCIDR: "10.42.0.0/24" }));
  await server.kubectl(["apply", "-f", "-"], nodes);
  const manifests = new URL("../../manifests", import.meta.url).pathname;
  await server.kubectl(["apply", "-f", `${manifests}/rbac.yaml`]);
});

Deno.test.afterAll(() => server[Symbol.asyncDispose]());

const NODES = "/api/v1/nodes";

async function clientOf(kubeconfig: string, master?: string): Promise<Client> {
  return await Client.open(await loadConfig({ kubeconfig, master }));
}

function admin(master?: string): Promise<Client> {
  return clientOf(server.adminKubeconfig, master);
}

const never = new AbortController().signal;

const namesOf = (objects: readonly KubernetesObject[]) =>
  objects.map(({ metadata }) => metadata.name);

/** Without the news. */
async function all(
  listing: AsyncIterable<Listing<KubernetesObject>>,
): Promise<{ names: string[]; version: string }> {
  const names: string[] = [];
  for await (const update of listing) {
    if (update.type === "listed") names.push(...namesOf(update.objects));
    if (update.type === "complete") return { names: names.sort(), version: update.version };
  }
  throw new Error("the list never was complete");
}

const SEVEN = ["n0", "n1", "n2", "n3", "n4", "n5", "n6"];

Deno.test("listInChunks() asks for so many at a time, and for those that a query selects", async () => {
  using client = await admin();
  const nodes = { client, path: NODES };
  const chunks = await Array.fromAsync(listInChunks(nodes, { signal: never, limit: 3 }));
  assert.deepEqual(chunks.map(({ length }) => length), [3, 3, 1]);
  assert.deepEqual(namesOf(chunks.flat()).sort(), SEVEN);
  const query = { fieldSelector: "metadata.name=n3" };
  const selected = await Array.fromAsync(listInChunks(nodes, { signal: never, query }));
  assert.deepEqual(namesOf(selected.flat()), ["n3"]);
});

Deno.test("list() tells the news on the stream of the list, without another request", async () => {
  await using gateway = await Gateway.open(server);
  using client = await admin(gateway.url);
  const story: string[] = [];
  for await (const update of list<KubernetesObject>({ client, path: NODES }, never)) {
    if (update.type === "events") {
      story.push(...update.events.map(({ type, object }) => `${type} ${object.metadata.name}`));
      if (story.at(-1) === "MODIFIED n4") break;
    } else if (update.type !== "listed") story.push(update.type);
    if (update.type === "complete") assert.match(update.version, /^\d+$/);
    if (update.type === "live") await server.kubectl(["annotate", "node", "n4", "news=1"]);
  }
  assert.deepEqual(story, ["list", "complete", "live", "MODIFIED n4"]);
  assert.equal(gateway.count(/nodes/), 1);
});

Deno.test("list() asks for chunks where the server has no WatchList", async () => {
  await using gateway = await Gateway.open(server);
  gateway.fault = ({ search }) =>
    search.includes("sendInitialEvents") ? new Response(null, { status: 422 }) : undefined;
  using client = await admin(gateway.url);
  const nodes = { client, path: NODES };
  assert.deepEqual((await all(list(nodes, never))).names, SEVEN);
  assert.equal(gateway.count(/limit=50/), 1);
});

Deno.test("a patch answers the object, and its event follows at once, as metadata alone if wanted", async () => {
  using client = await admin();
  const nodes = { client, path: NODES };
  const { version } = await all(list(nodes, never));
  const options = {
    query: { resourceVersion: version },
    batchInterval: 0,
    idleTimeout: 10_000,
    signal: never,
  };
  const watches = await Promise.all(
    (["metadata", "full"] as const).map((representation) =>
      openWatch<KubernetesObject>(nodes, { ...options, representation })
    ),
  );
  const body = { metadata: { annotations: { a: "1", b: "2" } } };
  await client.patch(`${NODES}/n1`, { type: "strategic-merge", body });
  const removal = { metadata: { annotations: { a: null, c: null } } };
  const answer = await client.patch<KubernetesObject>(`${NODES}/n1`, {
    type: "merge",
    body: removal,
  });
  assert.deepEqual(answer.metadata.annotations, { b: "2", ...kept(answer) });
  for (const [at, watch] of watches.entries()) {
    const [first] = (await watch.next()).value!;
    assert.equal(first.type, "MODIFIED");
    assert.equal(first.object.metadata.annotations.a, "1");
    assert.equal("spec" in first.object, at === 1);
    await watch.return(undefined);
  }
});

/** What kubectl left there. */
function kept({ metadata }: KubernetesObject): Record<string, string> {
  const name = "kubectl.kubernetes.io/last-applied-configuration";
  return { [name]: metadata.annotations![name]! };
}

Deno.test("a watch from a forgotten version ends with an error that says so", async () => {
  await using gateway = await Gateway.open(server);
  const status = { kind: "Status", code: 410, reason: "Expired", message: "too old" };
  gateway.fault = () => new Response(JSON.stringify({ type: "ERROR", object: status }) + "\n");
  using client = await admin(gateway.url);
  const watch = await openWatch({ client, path: NODES }, {
    ...{ query: {}, representation: "full", batchInterval: 0, idleTimeout: 1000, signal: never },
  });
  await assert.rejects(
    watch.next(),
    (error) =>
      error instanceof StatusError && error.isGone && /410 Expired: too old/.test(error.message),
  );
});

Deno.test("a client certificate is who we are", async () => {
  const subject = "/O=system:masters/CN=somebody";
  const { certificate, key } = await server.authority.issue("somebody", { subject });
  using client = await clientOf(
    await server.writeKubeconfig("somebody", {
      "client-certificate": certificate,
      "client-key": key,
    }),
  );
  const review = await client.get<{ items: unknown[] }>(NODES);
  assert.equal(review.items.length, 7);
});

Deno.test("a token in a file is read anew for each request", async () => {
  const tokenFile = `${server.directory}/token`;
  await Deno.writeTextFile(tokenFile, "outdated");
  using client = await clientOf(await server.writeKubeconfig("file", { tokenFile }));
  await assert.rejects(client.get(NODES), (error) => {
    assert.ok(error instanceof StatusError && error.code === 401);
    assert.match(error.message, /GET https:\/\/127.0.0.1:\d+\/api\/v1\/nodes: 401 Unauthorized/);
    assert.doesNotMatch(error.message, /outdated/);
    return true;
  });
  await Deno.writeTextFile(tokenFile, `${ADMIN_TOKEN}\n`);
  await client.get(NODES);
});

Deno.test("a service account may do what the manifest allows, and is told what it may not", async () => {
  const token = (await server.kubectl(["create", "token", "kilo", "-n", "kube-system"])).trim();
  using client = await clientOf(await server.writeKubeconfig("kilo", { token }));
  assert.deepEqual((await all(list({ client, path: NODES }, never))).names, SEVEN);
  await client.patch(`${NODES}/n2`, { type: "strategic-merge", body: { metadata: {} } });
  await assert.rejects(
    client.get(`${NODES}/n2`),
    (error) =>
      error instanceof StatusError && error.code === 403 &&
      /nodes "n2" is forbidden: User "system:serviceaccount:kube-system:kilo"/.test(error.message),
  );
  await assert.rejects(all(list({ client, path: "/api/v1/secrets" }, never)), /403 Forbidden/);
});

Deno.test("a server that nobody vouches for is not talked to", async () => {
  using client = await Client.open({
    server: new URL(server.url),
    authorization: { token: ADMIN_TOKEN },
  });
  await assert.rejects(
    client.get(NODES),
    (error) => error instanceof ConnectionError && /certificate/i.test(String(error.cause)),
  );
});

Deno.test("garbage for a certificate authority, certificate or key is refused at once", async () => {
  await Deno.writeTextFile(`${server.directory}/garbage`, "garbage");
  const path = `${server.directory}/garbage`;
  const url = new URL(server.url);
  await assert.rejects(Client.open({ server: url, ca: { path } }), /garbage holds no PEM certif/);
  await assert.rejects(Client.open({ server: url, ca: { path: "/no/such" } }), /cannot be read/);
  const certificate = { path: `${server.directory}/server.crt` };
  await assert.rejects(
    Client.open({ server: url, identity: { certificate, key: { path } } }),
    /garbage holds no PEM private key/,
  );
});

Deno.test("an IPv6 host is reached", async () => {
  await using gateway = await Gateway.open(server, { hostname: "::1" });
  assert.match(gateway.url, /^https:\/\/\[::1\]:\d+$/);
  using client = await admin(gateway.url);
  await client.get(NODES);
});

Deno.test("errors say what was tried on whom, and how long a throttling server wants peace", async () => {
  await using gateway = await Gateway.open(server);
  gateway.fault = () =>
    new Response("<html>busy", { status: 429, headers: { "retry-after": "7" } });
  using client = await admin(gateway.url);
  await assert.rejects(
    client.get(NODES),
    (error) =>
      error instanceof StatusError && error.code === 429 && error.retryAfter === 7000 &&
      error.message === `GET ${gateway.url}/api/v1/nodes: 429 Too Many Requests`,
  );
  gateway.fault = () => new Response(null, { status: 302, headers: { location: server.url } });
  await assert.rejects(client.get(NODES), (e) => e instanceof StatusError && e.code === 302);
  gateway.fault = () => new Response("no JSON");
  await assert.rejects(client.get(NODES), ConnectionError);
  using nobody = await admin("https://127.0.0.1:1");
  await assert.rejects(
    nobody.get(NODES, { query: { limit: 5 } }),
    (error) =>
      error instanceof ConnectionError &&
      error.message === "GET https://127.0.0.1:1/api/v1/nodes" &&
      /^client error .*refused/.test((error.cause as Error).message),
  );
});
