/** A cluster's objects in a real API server, for `--backend=kubernetes`; and its nodes check in. */

import { ANNOTATIONS } from "../src/mesh/object.ts";
import { ADMIN_TOKEN, ApiServer } from "../tests/k8s/api_server.ts";
import type { Door } from "../tests/k8s/door.ts";
import { HERE, type Manifest } from "./cluster.ts";
import { heartbeat, registered } from "./kubelet.ts";
import type { Machine } from "./machine.ts";

const MANIFESTS = new URL("../manifests", import.meta.url).pathname;
const NODES = "/api/v1/nodes";
const PEERS = "/apis/kilo.squat.ai/v1alpha1/peers";

/** Where the API server is, on a machine. */
const ADDRESS = "127.0.0.1";

/** Requests under way at a time while objects are made. */
const HANDS = 16;

/** Seconds between two check-ins of a node. */
const CHECK_IN_PERIOD = 30;

/** A kubelet tells its Node's status each 5 minutes if nothing is new: with each tenth check-in. */
const CHECK_INS_A_HEARTBEAT = 10;

export class ApiCluster implements AsyncDisposable {
  readonly #server: ApiServer;
  readonly #http: Deno.HttpClient;
  readonly #nodes: readonly string[];

  private constructor(server: ApiServer, nodes: readonly string[], http: Deno.HttpClient) {
    this.#server = server;
    this.#nodes = nodes;
    this.#http = http;
  }

  /** Starts one that holds these objects; a `Refusal` says why there can be none. */
  static async start(objects: readonly Manifest[]): Promise<ApiCluster> {
    await using stack = new AsyncDisposableStack();
    const server = stack.use(await ApiServer.start());
    const caCerts = [await Deno.readTextFile(server.authority.certificate)];
    const http = stack.adopt(
      Deno.createHttpClient({ caCerts, http2: false }),
      (client) => client.close(),
    );
    const manifests = ["crds", "rbac"].flatMap((name) => ["-f", `${MANIFESTS}/${name}.yaml`]);
    await server.kubectl(["apply", ...manifests]);
    await server.kubectl(["wait", "--for=condition=Established", "crd/peers.kilo.squat.ai"]);
    const nodes = objects.filter(({ kind }) => kind === "Node").map(({ metadata }) =>
      metadata.name
    );
    const cluster = new ApiCluster(server, nodes, http);
    await cluster.#create(objects);
    stack.move();
    return cluster;
  }

  async #create(objects: readonly Manifest[]): Promise<void> {
    const left = objects.values();
    const work = async () => {
      for (const object of left) {
        if (object.kind === "Node") await this.#send("POST", NODES, registered(object));
        else await this.#send("POST", PEERS, object);
      }
    };
    await Promise.all(Array.from({ length: HANDS }, work));
  }

  /** Lets a machine reach it, as the agents of a cluster do; and the flags that say so to its kg. */
  async connect(machine: Machine): Promise<{ readonly door: Door; readonly flags: string[] }> {
    const door = this.#server.openDoor(machine.namespace.pid, ADDRESS);
    const create = ["create", "token", "kilo", "-n", "kube-system", "--duration=24h"];
    const token = (await this.#server.kubectl(create)).trim();
    const kubeconfig = await this.#server.writeKubeconfig("kilo", { token }, { server: door.url });
    return { door, flags: ["--backend=kubernetes", `--kubeconfig=${kubeconfig}`] };
  }

  async add(peer: Manifest): Promise<void> {
    await this.#send("POST", PEERS, peer);
  }

  async change({ metadata: { name }, spec }: Manifest): Promise<void> {
    await this.#send("PATCH", `${PEERS}/${name}`, { spec }, "merge");
  }

  async remove({ metadata: { name } }: Manifest): Promise<void> {
    await this.#send("DELETE", `${PEERS}/${name}`);
  }

  /**
   * From now on, until disposed of, all nodes but the one that is measured check in, one after the
   * other.
   */
  checkIns(): AsyncDisposable {
    const nodes = this.#nodes.filter((name) => name !== HERE.name);
    const underWay = new Set<Promise<void>>();
    let count = 0;
    const timer = setInterval(() => {
      const at = count++;
      const checkIn = this.#checkIn(nodes[at % nodes.length]!, at);
      underWay.add(checkIn);
      checkIn.then(() => underWay.delete(checkIn));
    }, CHECK_IN_PERIOD * 1000 / nodes.length);
    return {
      async [Symbol.asyncDispose]() {
        clearInterval(timer);
        await Promise.all(underWay);
      },
    };
  }

  async #checkIn(name: string, at: number): Promise<void> {
    const annotations = { [ANNOTATIONS.lastSeen]: `${Math.floor(Date.now() / 1000)}` };
    await this.#send("PATCH", `${NODES}/${name}`, { metadata: { annotations } }, "strategic-merge");
    if (at % CHECK_INS_A_HEARTBEAT !== 0) return;
    await this.#send(
      "PATCH",
      `${NODES}/${name}/status`,
      { status: heartbeat() },
      "strategic-merge",
    );
  }

  async #send(method: string, path: string, body?: unknown, patch?: string): Promise<void> {
    const type = patch === undefined ? "application/json" : `application/${patch}-patch+json`;
    const response = await fetch(`${this.#server.url}${path}`, {
      method,
      headers: { "authorization": `Bearer ${ADMIN_TOKEN}`, "content-type": type },
      ...body !== undefined && { body: JSON.stringify(body) },
      client: this.#http,
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#http.close();
    await this.#server[Symbol.asyncDispose]();
  }
}
