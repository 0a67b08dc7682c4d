import assert from "node:assert/strict";
import { Client } from "../../src/kubernetes/client.ts";
import { follow, type FollowOptions } from "../../src/kubernetes/follow.ts";
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

/** Nodes as a follower sees them, and the story of its updates. */
class Follower implements AsyncDisposable {
  readonly names = new Set<string>();
  /** Kinds of updates in the order they came; those of objects left out. */
  readonly story: string[] = [];
  readonly events: string[] = [];
  #listed = new Set<string>();
  readonly #stop = new AbortController();
  readonly #client: Client;
  readonly #done: Promise<void>;

  private constructor(client: Client, options: Partial<FollowOptions>) {
    this.#client = client;
    this.#done = this.#run(options);
  }

  static async open(
    url: string,
    { server: of = server, ...options }: Partial<FollowOptions> & { server?: ApiServer } = {},
  ): Promise<Follower> {
    const config = await loadConfig({ kubeconfig: of.adminKubeconfig, master: url });
    return new Follower(await Client.open(config), options);
  }

  async #run(options: Partial<FollowOptions>): Promise<void> {
    const updates = follow<KubernetesObject>({ client: this.#client, path: NODES }, {
      ...{ representation: "metadata", pace: 0, silence: 75_000, signal: this.#stop.signal },
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

Deno.test("follow() lists, then tells what comes and goes", async () => {
  await create("a", "b");
  await using follower = await Follower.open(server.url);
  await follower.live();
  assert.deepEqual(follower.story, ["list", "complete", "live"]);
  await create("c");
  await follower.has("a", "b", "c");
  await remove("a", "c");
  await follower.has("b");
  assert.deepEqual(follower.events, ["ADDED c", "DELETED a", "DELETED c"]);
});

Deno.test("follow() resumes a cut watch without a list, and misses nothing", async () => {
  await using gateway = await Gateway.open(server);
  await using follower = await Follower.open(gateway.url);
  await follower.live();
  gateway.fault = () => new Response(null, { status: 503 });
  gateway.cut();
  await waitFor("the cut to be noticed", () => follower.count("lost"));
  await create("d");
  await remove("b");
  gateway.fault = () => undefined;
  await follower.has("d");
  assert.equal(follower.count("list"), 1);
  assert.deepEqual(follower.events, ["ADDED d", "DELETED b"]);
});

Deno.test("follow() has the server end each watch after five to ten minutes", async () => {
  await using gateway = await Gateway.open(server);
  await using follower = await Follower.open(gateway.url);
  await follower.live();
  gateway.cut();
  await follower.live(2);
  const [watch] = gateway.requests.filter((request) => /resourceVersion=[1-9]/.test(request));
  const seconds = Number(/timeoutSeconds=(\d+)/.exec(watch!)?.[1]);
  assert.ok(seconds >= 300 && seconds <= 600, watch);
});

Deno.test("follow() lists anew when its place is forgotten", async () => {
  await using gateway = await Gateway.open(server);
  await using follower = await Follower.open(gateway.url);
  await follower.live();
  let gone = 1;
  gateway.fault = ({ search }) =>
    /resourceVersion=[1-9]/.test(search) && gone-- > 0
      ? Response.json({ kind: "Status", code: 410, message: "too old" }, { status: 410 })
      : undefined;
  gateway.cut();
  await follower.live(2);
  assert.equal(follower.count("list"), 2);
  assert.match(follower.story.join("\n"), /410 too old/);
});

Deno.test("follow() asks again where nothing was said for long, and calls nothing lost", async () => {
  await using gateway = await Gateway.open(server);
  await using follower = await Follower.open(gateway.url, { silence: 1000 });
  await follower.live();
  gateway.cut();
  await follower.live(2);
  gateway.isSilent = true;
  await create("e");
  await follower.live(3);
  gateway.isSilent = false;
  await follower.has("d", "e");
  assert.deepEqual([follower.count("lost"), follower.count("list")], [1, 1]);
});

Deno.test("follow() keeps away from a throttling server for as long as it asks", async () => {
  await using gateway = await Gateway.open(server);
  const asked: number[] = [];
  gateway.fault = () => {
    asked.push(performance.now());
    return asked.length <= 2
      ? new Response(null, { status: 429, headers: { "retry-after": "1" } })
      : undefined;
  };
  await using follower = await Follower.open(gateway.url);
  await follower.live();
  assert.ok(asked[1]! - asked[0]! >= 1000 && asked[2]! - asked[1]! >= 1000);
  await follower.has("d", "e");
});

Deno.test("follow() begins a chunked list anew when it is forgotten half-way", async () => {
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
  await using follower = await Follower.open(gateway.url);
  await follower.has("d", "e", ...many);
  assert.deepEqual(follower.story.map((update) => update.split(":")[0]).slice(0, 4), [
    ...["list", "lost", "list", "complete"],
  ]);
});

Deno.test("follow() survives a restart of the server, and one that lost its history", async () => {
  await using server = await ApiServer.start();
  const create = (name: string) => server.kubectl(["create", "-f", "-"], [node(name)]);
  await create("d");
  await server.halt();
  await server.backup();
  await server.resume();
  await using follower = await Follower.open(server.url, { server });
  await follower.live();
  await create("late");
  await follower.has("d", "late");

  await server.halt();
  await waitFor("the outage to be noticed", () => follower.count("lost"));
  await server.resume();
  await follower.live(2);
  await follower.has("d", "late");
  await create("later");
  await follower.has("d", "late", "later");

  const lists = follower.count("list");
  await server.halt();
  await server.restore();
  await server.resume();
  await follower.live(3);
  await follower.has("d");
  assert.equal(follower.count("list"), lists + 1, "what it saw is no longer true");
  await create("new");
  await follower.has("d", "new");
});
