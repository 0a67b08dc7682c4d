/** Objects on a real API server, which agents reach over the lab's internet with the agent's rights. */

import type { NodeObject, PeerObject } from "../../src/mesh/object.ts";
import { CLEAN_UP_PATCH } from "../../src/mesh/publish.ts";
import { ADMIN_TOKEN, ApiServer } from "../k8s/api_server.ts";
import type { Door } from "../k8s/door.ts";
import type { Kind, NodeManifest, PeerManifest } from "./manifests.ts";
import type { Namespace } from "./namespace.ts";
import type { Annotations, Backend, Objects } from "./objects.ts";
import { API_SERVER } from "./wiring.ts";

const MANIFESTS = new URL("../../manifests", import.meta.url).pathname;

const PATHS: Readonly<Record<Kind, string>> = {
  Node: "/api/v1/nodes",
  Peer: "/apis/kilo.squat.ai/v1alpha1/peers",
};

/** One API server for many labs, one after the other: each begins with no Node and no Peer. */
export class Cluster implements Backend, AsyncDisposable {
  readonly name = "kubernetes";

  readonly #token: string;

  private constructor(readonly server: ApiServer, token: string) {
    this.#token = token;
  }

  /** Starts it, with the kind of Peers and the agent's account; some seconds. */
  static async start(): Promise<Cluster> {
    const server = await ApiServer.start({ addresses: [API_SERVER] });
    await server.kubectl(["apply", "-f", `${MANIFESTS}/crds.yaml`, "-f", `${MANIFESTS}/rbac.yaml`]);
    await server.kubectl(["wait", "--for=condition=Established", "crd/peers.kilo.squat.ai"]);
    const token = ["create", "token", "kilo", "--namespace=kube-system", "--duration=48h"];
    return new Cluster(server, (await server.kubectl(token)).trim());
  }

  async open({ internet }: { readonly internet: Namespace }): Promise<ClusterObjects> {
    const door = this.server.openDoor(internet.pid, API_SERVER);
    const user = { token: this.#token };
    const kubeconfig = await this.server.writeKubeconfig("kilo", user, { server: door.url });
    const objects = await ClusterObjects.open(this.server, { door, kubeconfig });
    await objects.clear();
    return objects;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
  }
}

export class ClusterObjects implements Objects {
  readonly #server: ApiServer;
  readonly #http: Deno.HttpClient;
  /** By which nodes reach the API server. */
  readonly door: Door;
  /** The agents'. */
  readonly kubeconfig: string;

  private constructor(
    server: ApiServer,
    { http, door, kubeconfig }: { http: Deno.HttpClient; door: Door; kubeconfig: string },
  ) {
    this.#server = server;
    this.#http = http;
    this.door = door;
    this.kubeconfig = kubeconfig;
  }

  static async open(
    server: ApiServer,
    options: { readonly door: Door; readonly kubeconfig: string },
  ): Promise<ClusterObjects> {
    const caCerts = [await Deno.readTextFile(server.authority.certificate)];
    const http = Deno.createHttpClient({ caCerts, http2: false });
    return new ClusterObjects(server, { http, ...options });
  }

  get flags(): readonly string[] {
    return [`--kubeconfig=${this.kubeconfig}`];
  }

  /** As `kubectl apply --server-side` does. */
  async put(object: NodeManifest | PeerManifest): Promise<void> {
    const path = `${PATHS[object.kind]}/${object.metadata.name}`;
    await this.#send("PATCH", `${path}?fieldManager=lab&force=true`, object);
  }

  async delete(kind: Kind, name: string): Promise<void> {
    await this.#send("DELETE", `${PATHS[kind]}/${name}`);
  }

  /** Deletes them all. */
  async clear(): Promise<void> {
    for (const path of Object.values(PATHS)) await this.#send("DELETE", path);
  }

  async status(node: string): Promise<Annotations> {
    const { metadata } = await this.#send<NodeObject>("GET", `${PATHS.Node}/${node}`);
    const published = Object.entries(metadata.annotations ?? {})
      .filter(([name]) => name in CLEAN_UP_PATCH);
    return Object.fromEntries(published);
  }

  async nodes(): Promise<NodeObject[]> {
    return (await this.#send<{ items: NodeObject[] }>("GET", PATHS.Node)).items;
  }

  async peers(): Promise<PeerObject[]> {
    return (await this.#send<{ items: PeerObject[] }>("GET", PATHS.Peer)).items;
  }

  /** Asks the API server as the administrator. */
  async #send<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await fetch(this.#server.url + path, {
      method,
      headers: {
        authorization: `Bearer ${ADMIN_TOKEN}`,
        "content-type": "application/apply-patch+yaml", // of a server-side apply, the only one with a body
      },
      ...body !== undefined && { body: JSON.stringify(body) },
      client: this.#http,
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return JSON.parse(text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#http.close();
    await this.door[Symbol.asyncDispose]();
  }
}
