import assert from "node:assert/strict";
import { Client } from "../../src/kubernetes/client.ts";
import { reflect, type ReflectOptions } from "../../src/kubernetes/reflector.ts";
import { loadConfig } from "../../src/kubernetes/load_config.ts";
import type { KubernetesObject } from "../../src/kubernetes/object.ts";
import { waitFor } from "../lab/wait.ts";
import { ApiServer } from "./api_server.ts";
import { Gateway } from "./gateway.ts";
import { node } from "./objects.ts";

let server: ApiServer;

Deno.test.beforeAll(async () => {
  server = await ApiServer.start();
});

Deno.test.afterAll(() => server[Symbol.asyncDispose]());

const NODES = "/api/v1/nodes";

/** Nodes as a reflected sees them, and the story of its updates. */
class Reflected implements AsyncDisposable {
  readonly names = new Set<string>();
  /** Kinds of updates in the order they came; those of objects left out. */
  readonly story: string[] = [];
  readonly events: string[] = [];
  #listed = new Set<string>();
  readonly #stop = new AbortController();
  readonly #client: Client;
  readonly #done: Promise<void>;

  private constructor(client: Client, options: Partial<ReflectOptions>) {
    this.#client = client;
    this.#done = this.#run(options);
  }

  static async open(
    url: string,
    { server: of = server, ...options }: Partial<ReflectOptions> & { server?: ApiServer } = {},
  ): Promise<Reflected> {
    const config = await loadConfig({ kubeconfig: of.adminKubeconfig, master: url });
    return new Reflected(await Client.open(config), options);
  }

  async #run(options: Partial<ReflectOptions>): Promise<void> {
    const updates = reflect<KubernetesObject>({ client: this.#client, path: NODES }, {
      ...{
        representation: "metadata",
        batchInterval: 0,
        idleTimeout: 75_000,
        signal: this.#stop.signal,
      },
      ...options,
    });
    for await (const update of updates) {
      if (update.type === "list") this.#listed = new Set();
      if (update.type === "listed") {
        for (const { metadata } of update.objects) this.#listed.add(metadata.name);
        continue;
      }
      if (update.type === "complete") {
        this.names.clear();
        this.#listed.forEach((name) => this.names.add(name));
      }
      if (update.type === "events") {
        for (const { type, object } of update.events) {
          if (type === "BOOKMARK") continue;
          this.events.push(`${type} ${object.metadata.name}`);
          if (type === "DELETED") this.names.delete(object.metadata.name);
          else this.names.add(object.metadata.name);
        }
        continue;
      }
      this.story.push(update.type === "lost" ? `lost: ${wordsOf(update.error)}` : update.type);
    }
  }

  async live(times = 1): Promise<void> {
    await waitFor(`to be live ${times} times`, () => this.count("live") >= times, {
      timeout: 30_000,
    });
  }

  async has(...names: string[]): Promise<void> {
    const wanted = names.toSorted().join();
    await waitFor(`the nodes ${wanted}`, () => [...this.names].sort().join() === wanted);
  }

  count(type: string): number {
    return this.story.filter((update) => update.startsWith(type)).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#done;
    this.#client[Symbol.dispose]();
  }
}

function wordsOf(error: Error): string {
  return `${error.message}: ${error.cause ?? ""}`;
}

async function create(...names: string[]): Promise<void> {
  await server.kubectl(["apply", "-f", "-"], names.map((name) => node(name)));
}

async function remove(...names: string[]): Promise<void> {
  await server.kubectl(["delete", "node", "--wait=false", ...names]);
}

Deno.test("reflect() lists, then tells what comes and goes", async () => {
  await create("a", "b");
  await using reflected = await Reflected.open(server.url);
  await reflected.live();
  assert.deepEqual(reflected.story, ["list", "complete", "live"]);
  await create("c");
  await reflected.has("a", "b", "c");
  await remove("a", "c");
  await reflected.has("b");
  assert.deepEqual(reflected.events, ["ADDED c", "DELETED a", "DELETED c"]);
});

Deno.test("reflect() resumes a cut watch without a list, and misses nothing", async () => {
  await using gateway = await Gateway.open(server);
  await using reflected = await Reflected.open(gateway.url);
  await reflected.live();
  gateway.fault = () => new Response(null, { status: 503 });
  gateway.cut();
  await waitFor("the cut to be noticed", () => reflected.count("lost"));
  await create("d");
  await remove("b");
  gateway.fault = () => undefined;
  await reflected.has("d");
  assert.equal(reflected.count("list"), 1);
  assert.deepEqual(reflected.events, ["ADDED d", "DELETED b"]);
});

Deno.test("reflect() has the server end each watch after five to ten minutes", async () => {
  await using gateway = await Gateway.open(server);
  await using reflected = await Reflected.open(gateway.url);
  await reflected.live();
  gateway.cut();
  await reflected.live(2);
  const [watch] = gateway.requests.filter((request) => /resourceVersion=[1-9]/.test(request));
  const seconds = Number(/timeoutSeconds=(\d+)/.exec(watch!)?.[1]);
  assert.ok(seconds >= 300 && seconds <= 600, watch);
});

Deno.test("reflect() lists anew when its place is forgotten", async () => {
  await using gateway = await Gateway.open(server);
  await using reflected = await Reflected.open(gateway.url);
  await reflected.live();
  let gone = 1;
  gateway.fault = ({ search }) =>
    /resourceVersion=[1-9]/.test(search) && gone-- > 0
      ? Response.json({ kind: "Status", code: 410, message: "too old" }, { status: 410 })
      : undefined;
  gateway.cut();
  await reflected.live(2);
  assert.equal(reflected.count("list"), 2);
  assert.match(reflected.story.join("\n"), /410 too old/);
});

Deno.test("reflect() asks again where nothing was said for long, and calls nothing lost", async () => {
  await using gateway = await Gateway.open(server);
  await using reflected = await Reflected.open(gateway.url, { idleTimeout: 1000 });
  await reflected.live();
  gateway.cut();
  await reflected.live(2);
  gateway.isSilent = true;
  await create("e");
  await reflected.live(3);
  gateway.isSilent = false;
  await reflected.has("d", "e");
  assert.deepEqual([reflected.count("lost"), reflected.count("list")], [1, 1]);
});

Deno.test("reflect() keeps away from a throttling server for as long as it asks", async () => {
  await using gateway = await Gateway.open(server);
  const asked: number[] = [];
  gateway.fault = () => {
    asked.push(performance.now());
    return asked.length <= 2
      ? new Response(null, { status: 429, headers: { "retry-after": "1" } })
      : undefined;
  };
  await using reflected = await Reflected.open(gateway.url);
  await reflected.live();
  assert.ok(asked[1]! - asked[0]! >= 1000 && asked[2]! - asked[1]! >= 1000);
  await reflected.has("d", "e");
});

Deno.test("reflect() begins a chunked list anew when it is forgotten half-way", async () => {
  const many = Array.from({ length: 60 }, (_, at) => `m${at}`);
  await create(...many);
  await using gateway = await Gateway.open(server);
  let gone = 1;
  gateway.fault = ({ search }) => {
    if (search.includes("sendInitialEvents")) return new Response(null, { status: 400 });
    return search.includes("continue=") && gone-- > 0
      ? Response.json({ kind: "Status", code: 410, reason: "Expired" }, { status: 410 })
      : undefined;
  };
  await using reflected = await Reflected.open(gateway.url);
  await reflected.has("d", "e", ...many);
  assert.deepEqual(reflected.story.map((update) => update.split(":")[0]).slice(0, 4), [
    ...["list", "lost", "list", "complete"],
  ]);
});

Deno.test("reflect() survives a restart of the server, and one that lost its history", async () => {
  await using server = await ApiServer.start();
  const create = (name: string) => server.kubectl(["create", "-f", "-"], [node(name)]);
  await create("d");
  await server.halt();
  await server.backup();
  await server.resume();
  await using reflected = await Reflected.open(server.url, { server });
  await reflected.live();
  await create("late");
  await reflected.has("d", "late");

  await server.halt();
  await waitFor("the outage to be noticed", () => reflected.count("lost"));
  await server.resume();
  await reflected.live(2);
  await reflected.has("d", "late");
  await create("later");
  await reflected.has("d", "late", "later");

  const lists = reflected.count("list");
  await server.halt();
  await server.restore();
  await server.resume();
  await reflected.live(3);
  await reflected.has("d");
  assert.equal(reflected.count("list"), lists + 1, "what it saw is no longer true");
  await create("new");
  await reflected.has("d", "new");
});
