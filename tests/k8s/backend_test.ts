import assert from "node:assert/strict";
import type { Cluster, ClusterChange } from "../../src/backend/backend.ts";
import { BackendError } from "../../src/backend/backend.ts";
import { KubernetesBackend } from "../../src/backend/kubernetes/backend.ts";
import { ANNOTATIONS } from "../../src/mesh/object.ts";
import { CLEAN_UP_PATCH } from "../../src/mesh/publish.ts";
import { formatPrefix } from "../../src/net/prefix.ts";
import { waitFor } from "../lab/wait.ts";
import { ApiServer } from "./api_server.ts";
import { Gateway } from "./gateway.ts";
import { node, peer } from "./objects.ts";

let server: ApiServer;
/** Of a service account with just the rights of the manifest. */
let kubeconfig: string;

const MANIFESTS = new URL("../../manifests", import.meta.url).pathname;
const KEY = "GY5aT1N9dTR/nJnT1N2f4ClZWVj0jOAld0r8ysWLyjg=";
/** A request for all Nodes, by stream or in chunks; that for the resource version of now is none. */
const LIST = /nodes\?.*(sendInitialEvents|limit=50)/;
const PEER = { allowedIPs: ["10.5.0.1/32"], publicKey: KEY };

Deno.test.beforeAll(async () => {
  server = await ApiServer.start();
  await server.kubectl(["apply", "-f", `${MANIFESTS}/rbac.yaml`]);
  const token = (await server.kubectl(["create", "token", "kilo", "-n", "kube-system"])).trim();
  kubeconfig = await server.writeKubeconfig("kilo", { token });
});

Deno.test.afterAll(() => server[Symbol.asyncDispose]());

class Backend implements AsyncDisposable {
  readonly changes: ClusterChange[] = [];
  readonly backend: KubernetesBackend;
  readonly complete: Promise<void>;

  constructor({ master, hostname = "a" }: { master?: string; hostname?: string } = {}) {
    const options = { hostname, topologyLabel: "topology.kubernetes.io/region" };
    this.backend = new KubernetesBackend({ kubeconfig, master }, options);
    this.complete = this.backend.start((change) => this.changes.push(change));
  }

  static async open(options: { master?: string; hostname?: string } = {}): Promise<Backend> {
    const backend = new Backend(options);
    await backend.complete;
    await waitFor("the backend to be live", () => backend.backend.live);
    return backend;
  }

  get cluster(): Cluster {
    return this.backend.cluster();
  }

  get problems(): string {
    return this.cluster.problems.map(({ text }) => text).join("\n");
  }

  subnet(name: string): string | undefined {
    const subnet = this.cluster.nodes.get(name)?.subnet;
    return subnet && formatPrefix(subnet);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.backend[Symbol.asyncDispose]();
  }
}

async function apply(...objects: unknown[]): Promise<void> {
  await server.kubectl(["apply", "-f", "-"], objects);
}

Deno.test("start() waits for the kind of Peers, and tells but of the own Node before both lists are complete", async () => {
  await apply(node("a", { podCIDR: "10.42.0.0/24" }), node("b", { podCIDR: "10.42.1.0/24" }));
  await using backend = new Backend();
  await waitFor("the problem", () => /peers.kilo.squat.ai is not installed/.test(backend.problems));
  await waitFor("the own Node", () => backend.subnet("a") === "10.42.0.0/24");
  assert.deepEqual([...backend.cluster.nodes.keys()], ["a"]);
  assert.equal(backend.cluster.own, undefined);
  assert.ok(!backend.backend.live);
  await server.kubectl(["apply", "-f", `${MANIFESTS}/crds.yaml`]);
  await server.kubectl(["wait", "--for=condition=Established", "crd/peers.kilo.squat.ai"]);
  await apply(peer("laptop", PEER));
  await backend.complete;
  assert.deepEqual([...backend.cluster.nodes.keys()].sort(), ["a", "b"]);
  assert.equal(backend.subnet("b"), "10.42.1.0/24");
  await waitFor("the Peer", () => backend.cluster.peers.has("laptop"));
  await waitFor("to be live", () => backend.backend.live);
  assert.equal(backend.problems, "");
  assert.equal(backend.backend.relists, 0);
});

Deno.test("changes of Peers and Nodes come as they are, the pod CIDR with them", async () => {
  await using backend = await Backend.open();
  await apply(peer("phone", { ...PEER, allowedIPs: ["10.5.0.2/32"] }));
  await waitFor("the Peer", () => backend.cluster.peers.has("phone"));
  await apply(peer("phone", { ...PEER, allowedIPs: ["nonsense"] }));
  await waitFor("the Peer to be invalid", () => !backend.cluster.peers.has("phone"));
  assert.match(backend.problems, /Peer "phone" is ignored: spec.allowedIPs\[0\]: "nonsense"/);
  await server.kubectl(["delete", "peer", "phone"]);
  await waitFor("the problem to go", () => backend.problems === "");
  await server.kubectl(["annotate", "node", "b", `${ANNOTATIONS.location}=tokyo`]);
  await waitFor("the location", () => backend.cluster.nodes.get("b")?.location === "tokyo");
  assert.equal(backend.subnet("b"), "10.42.1.0/24", "events bring metadata only");
  const count = backend.changes.length;
  await server.kubectl(["annotate", "node", "b", "somebody/else=1"]);
  await server.kubectl(["annotate", "node", "b", `${ANNOTATIONS.location}-`]);
  await waitFor("the location to go", () => backend.cluster.nodes.get("b")?.location === "");
  assert.deepEqual(backend.changes.slice(count), [{ nodes: ["b"], peers: [] }]);
});

Deno.test("a Node that is new, or made anew under its name, is read whole", async () => {
  await using backend = await Backend.open();
  const annotations = { [ANNOTATIONS.key]: KEY, [ANNOTATIONS.endpoint]: "192.0.2.1:51820" };
  await apply(node("c", { podCIDR: "10.42.2.0/24", annotations }));
  await waitFor("the pod CIDR", () => backend.subnet("c") === "10.42.2.0/24");
  await server.kubectl(["delete", "node", "c"]);
  await apply(node("c", { podCIDR: "10.42.3.0/24", annotations }));
  await waitFor("the new pod CIDR", () => backend.subnet("c") === "10.42.3.0/24");
  await server.kubectl(["delete", "node", "c"]);
  await waitFor("it to go", () => !backend.cluster.nodes.has("c"));
});

Deno.test("the own Node's pod CIDR is learnt when it is set", async () => {
  await apply(node("late"));
  await using backend = await Backend.open({ hostname: "late" });
  assert.equal(backend.subnet("late"), undefined);
  await server.kubectl(["patch", "node", "late", "-p", '{"spec":{"podCIDR":"10.42.9.0/24"}}']);
  await waitFor("the pod CIDR", () => backend.subnet("late") === "10.42.9.0/24");
});

Deno.test("a Node without pod CIDR that checks in is not read each time", async () => {
  const annotations = { [ANNOTATIONS.key]: KEY, [ANNOTATIONS.endpoint]: "192.0.2.1:51820" };
  await apply(node("bare", { annotations }));
  await using gateway = await Gateway.open(server);
  await using backend = await Backend.open({ master: gateway.url });
  gateway.cut(); // the first seconds after a list bring whole Nodes
  await waitFor("the view", () => backend.backend.relists === 1 && backend.backend.live);
  const asks = () => gateway.count(/nodes\?.*fieldSelector=metadata.name%3Dbare/);
  for (const second of [1, 2, 3, 4, 5]) {
    await server.kubectl([
      "annotate",
      "node",
      "bare",
      "--overwrite",
      `${ANNOTATIONS.lastSeen}=${second}`,
    ]);
    await waitFor("the check-in", () => backend.cluster.nodes.get("bare")?.lastSeen === second);
  }
  assert.equal(asks(), 0);
  await server.kubectl(["patch", "node", "bare", "-p", '{"spec":{"podCIDR":"10.42.8.0/24"}}']);
  await waitFor("the pod CIDR", () => backend.subnet("bare") === "10.42.8.0/24", { timeout: 4000 });
  assert.equal(asks(), 1, "its managed fields say so");
  await server.kubectl(["delete", "node", "bare"]);
});

Deno.test("patchOwn() is known at once, and can be taken back whatever is missing", async () => {
  await using backend = await Backend.open();
  await backend.backend.patchOwn({ [ANNOTATIONS.key]: KEY, [ANNOTATIONS.lastSeen]: "1" });
  assert.equal(backend.cluster.own?.[ANNOTATIONS.key], KEY);
  assert.equal(backend.cluster.nodes.get("a")?.key, KEY);
  await backend.backend.patchOwn(CLEAN_UP_PATCH);
  assert.deepEqual(backend.cluster.own, {});
  await using stranger = await Backend.open({ hostname: "stranger" });
  await stranger.backend.patchOwn(CLEAN_UP_PATCH); // there is nothing to be taken back
  assert.equal(stranger.cluster.own, undefined);
  await assert.rejects(
    stranger.backend.patchOwn({ x: "1" }),
    (error) =>
      error instanceof BackendError && /annotating Node "stranger"/.test(error.message) &&
      /404/.test((error.cause as Error).message),
  );
});

Deno.test("an outage leaves the view as it was, and a deaf watch is found by our own writes", async () => {
  await using gateway = await Gateway.open(server);
  await using backend = await Backend.open({ master: gateway.url });
  gateway.fault = () => new Response(null, { status: 503 });
  gateway.cut();
  await waitFor("the outage", () => !backend.backend.live);
  assert.match(backend.problems, /cannot be watched, what was seen stays in force: .*503|was cut/);
  assert.ok(backend.cluster.nodes.has("b"));
  gateway.fault = () => undefined;
  await waitFor("the view", () => backend.backend.live && backend.problems === "");
  assert.equal(backend.backend.relists, 1);
  const lists = gateway.count(LIST);
  gateway.isSilent = true;
  await backend.backend.patchOwn({ [ANNOTATIONS.lastSeen]: "2" });
  await server.kubectl(["annotate", "node", "b", `${ANNOTATIONS.location}=osaka`]);
  await waitFor("the events to be lost", () => gateway.swallowed > 0);
  gateway.isSilent = false;
  const location = () => backend.cluster.nodes.get("b")?.location;
  await waitFor("the deafness to be cured", () => location() === "osaka", { timeout: 30_000 });
  assert.ok(backend.backend.live);
  assert.equal(gateway.count(LIST), lists, "the watch went on where it was");
});

Deno.test("without Peers the view is not live, but nodes can still be missed", async () => {
  await using gateway = await Gateway.open(server);
  await using backend = await Backend.open({ master: gateway.url });
  gateway.fault = ({ pathname }) =>
    pathname.endsWith("/peers") ? new Response(null, { status: 404 }) : undefined;
  gateway.cut();
  await waitFor("the outage", () => !backend.backend.live);
  await waitFor("the Nodes", () => backend.backend.nodesLive);
  assert.ok(!backend.backend.live);
});

Deno.test("a watch that is 6 s late loses nothing: nothing is listed again", async () => {
  await using gateway = await Gateway.open(server);
  await using backend = await Backend.open({ master: gateway.url });
  gateway.cut();
  await waitFor("the view", () => backend.backend.relists === 1 && backend.backend.live);
  gateway.lag = 6000;
  const [lists, watches] = [gateway.count(LIST), gateway.count(/watch=1/)];
  let isInterrupted = false;
  const interval = setInterval(() => isInterrupted ||= !backend.backend.live, 10);
  for (const second of [11, 12, 13]) {
    await backend.backend.patchOwn({ [ANNOTATIONS.lastSeen]: `${second}` });
    const text = `${ANNOTATIONS.location}=late-${second}`;
    await server.kubectl(["annotate", "node", "b", "--overwrite", text]);
    await waitFor("late news", () => {
      return backend.cluster.nodes.get("b")?.location === `late-${second}`;
    }, { timeout: 60_000 });
  }
  clearInterval(interval);
  assert.equal(gateway.count(LIST), lists);
  assert.ok(gateway.count(/watch=1/) - watches <= 4, "Nodes and Peers, opened again twice at most");
  assert.ok(!isInterrupted, "that is no interruption");
  await server.kubectl(["annotate", "node", "b", `${ANNOTATIONS.location}-`]);
});

Deno.test("a server that asks for an hour's peace is asked again within half a minute", async () => {
  await using gateway = await Gateway.open(server);
  await using backend = await Backend.open({ master: gateway.url });
  const refusal = () => new Response(null, { status: 503, headers: { "retry-after": "3600" } });
  const refused = { patch: false, watch: false };
  gateway.fault = ({ pathname, search }) => {
    const kind = pathname.endsWith("/a") ? "patch" : search.includes("limit=1") && "watch";
    if (!kind || refused[kind]) return undefined;
    refused[kind] = true;
    return refusal();
  };
  const before = performance.now();
  gateway.cut();
  await assert.rejects(backend.backend.patchOwn({ [ANNOTATIONS.lastSeen]: "3" }), BackendError);
  await backend.backend.patchOwn({ [ANNOTATIONS.lastSeen]: "4" });
  const patched = performance.now() - before;
  assert.ok(patched > 9000 && patched < 25_000, `${patched} ms`);
  await waitFor("to be live", () => refused.watch && backend.backend.live, { timeout: 60_000 });
  assert.ok(performance.now() - before < 45_000);
});

Deno.test("start() says what is wrong with the kubeconfig", async () => {
  const options = { hostname: "a", topologyLabel: "" };
  await using backend = new KubernetesBackend({ kubeconfig: "/no/such" }, options);
  await assert.rejects(
    backend.start(() => {}),
    (error) =>
      error instanceof BackendError &&
      /the kubeconfig \/no\/such cannot be read/.test(error.message),
  );
});
