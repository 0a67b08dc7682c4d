/** Health, readiness, metrics and the drawing of a real mesh, asked on its nodes. */

import assert from "node:assert/strict";
import { graph } from "../../src/mesh/graph.ts";
import { ZERO_KEY } from "../../src/net/key.ts";
import { onOwnCluster } from "./backends.ts";
import { ask, scrape } from "./http.ts";
import { isUp, ourRoutes } from "./kernel.ts";
import { Lab } from "./lab.ts";
import { nodeObject, peerObject } from "./manifests.ts";
import { mesh, podsReach } from "./mesh.ts";
import type { LabNode } from "./node.ts";
import { only, THREE_LOCATIONS } from "./world.ts";

const KEY = /[A-Za-z0-9+/]{43}=/;

/** Sums up the series of a name. */
async function sum(node: LabNode, name: string): Promise<number> {
  const series = [...await scrape(node.namespace)].filter(([key]) => key.split("{")[0] === name);
  return series.reduce((sum, [, value]) => sum + value, 0);
}

Deno.test("/ready turns from 503, with the step that is waited for, to 200 when the mesh stands", async () => {
  await using lab = await Lab.create({ world: only(THREE_LOCATIONS, ["berlin-1"]) });
  const [node] = lab.nodes as [LabNode];
  await lab.objects.delete("Node", "berlin-1");
  await node.startAgent();
  const waiting = await lab.waitFor("it waits for its Node", async () => {
    const answer = await ask(node.namespace, "/ready");
    return /there is no Node berlin-1/.test(JSON.parse(answer.body).pending) ? answer : undefined;
  });
  assert.equal(waiting.status, 503);
  assert.equal((await ask(node.namespace, "/health")).status, 200);

  await lab.objects.put(nodeObject(node.spec));
  await lab.waitFor(
    "it is ready",
    async () => (await ask(node.namespace, "/ready")).status === 200,
  );
  const { body } = await ask(node.namespace, "/health");
  const { ready, pending, parts } = JSON.parse(body);
  assert.deepEqual({ ready, pending }, { ready: true, pending: null });
  const states = parts.map(({ name, state }: { name: string; state: string }) => [name, state]);
  assert.deepEqual(states, [["backend", "works"], ["check-in", "works"], ["mesh", "works"]]);
  assert.ok(await isUp(node.namespace));
});

Deno.test("metrics tell of a change, of drift that was repaired, of handshakes and of who is left out", async () => {
  await using lab = await mesh(["berlin-1", "tokyo-1", "laptop"]);
  const [berlin, tokyo] = lab.nodes as [LabNode, LabNode];
  await lab.waitFor("pods reach each other", () => podsReach(lab.nodes));
  const laptop = lab.peer("laptop");
  const before = await scrape(berlin.namespace);
  const of = (name: string) => before.get(name);
  assert.deepEqual([of("kilo_leader"), of("kilo_nodes"), of("kilo_peers")], [1, 2, 0]);
  assert.equal(of("kilo_backend_live"), 1);
  assert.ok(of("kilo_reconciles_total")! > 0);
  assert.ok(of('kilo_netlink_messages_total{kind="route"}')! > 0);
  assert.ok(of("process_cpu_seconds_total")! > 0);
  assert.ok(of("process_resident_memory_bytes")! > 30e6);
  assert.equal(await sum(berlin, "kilo_errors_total"), 0);
  const chain = 'protocol="IPv4",operation="AppendUnique",table="nat",chain="KILO-NAT"';
  assert.ok(of(`kilo_iptables_operations_total{${chain}}`)! > 0, [...before.keys()].join("\n"));
  assert.equal(await sum(berlin, "kilo_drift_repairs_total"), 0);

  await lab.objects.put(peerObject(laptop.spec, await laptop.publicKey()));
  const broken = peerObject(
    { ...laptop.spec, name: "broken", allowedIPs: ["10.0.0.0/33"] },
    ZERO_KEY,
  );
  await lab.objects.put(broken);
  const stranger = nodeObject(tokyo.spec);
  await lab.objects.put({ ...stranger, metadata: { name: "stranger" } });
  await lab.waitFor("the Peer", async () => await sum(berlin, "kilo_peers") === 1);
  await lab.waitFor("the broken Peer", async () => await sum(berlin, "kilo_errors_total") === 1);
  const excluded = 'kilo_excluded_nodes{reason="no endpoint"}';
  await lab.waitFor(
    "the stranger",
    async () => (await scrape(berlin.namespace)).get(excluded) === 1,
  );
  const after = await scrape(berlin.namespace);
  assert.equal(after.get('kilo_errors_total{event="peer"}'), 1);
  const reconciles = (metrics: typeof after) => metrics.get("kilo_reconciles_total")!;
  assert.ok(reconciles(after) > reconciles(before));
  await lab.waitFor("all passes have ended", async () => {
    const metrics = await scrape(berlin.namespace);
    return metrics.get("kilo_reconcile_duration_seconds_count") === reconciles(metrics);
  });
  const handshake = 'kilo_last_handshake_age_seconds{kind="node",name="tokyo-1"}';
  await lab.waitFor(
    "the handshake is seen",
    async () => (await scrape(berlin.namespace)).has(handshake),
  );

  const route = (await ourRoutes(berlin.namespace)).find((route) => route.includes(" via "))!;
  await berlin.exec(["ip", "route", "del", route.split(" ")[0]!, "proto", "107"]);
  const repaired = 'kilo_drift_repairs_total{kind="route"}';
  await lab.waitFor(
    "the repair is counted",
    async () => (await scrape(berlin.namespace)).get(repaired) === 1,
  );
  assert.ok((await ourRoutes(berlin.namespace)).includes(route));

  for (const path of ["/metrics", "/health", "/graph", "/graph?format=json"]) {
    const { body } = await ask(berlin.namespace, path);
    // Of peers the byte counters name the public key, as other exporters do.
    assert.doesNotMatch(body.replaceAll(/public_key="[^"]*"/g, ""), KEY, path);
  }
});

Deno.test("/graph draws the mesh", async () => {
  await using lab = await mesh(["berlin-1", "tokyo-1"]);
  const [berlin] = lab.nodes as [LabNode, LabNode];
  await lab.waitFor("pods reach each other", () => podsReach(lab.nodes));
  const text = graph(await lab.topology({ hostname: "berlin-1" }));
  const dot = await ask(berlin.namespace, "/graph?format=dot");
  assert.deepEqual(dot, { status: 200, body: text });
  const drawing = await ask(berlin.namespace, "/graph");
  assert.equal(drawing.status, 200);
  assert.match(drawing.body, /<svg [^]*>tokyo&#45;1<[^]*<\/svg>/);
});

Deno.test("kg that cannot listen ends with one line that says so, and touches nothing", async () => {
  await using lab = await Lab.create({ world: only(THREE_LOCATIONS, ["berlin-1"]) });
  const [node] = lab.nodes as [LabNode];
  const before = await node.snapshot();
  const { code, stderr } = await node.runKg(["--listen=192.0.2.77:1107"]);
  assert.equal(code, 1);
  assert.match(stderr, /^Error: cannot listen on 192\.0\.2\.77:1107: [^\n]+\n$/);
  assert.equal(await node.snapshot(), before);
});

Deno.test("kg that was killed can listen again at once", async () => {
  await using lab = await mesh(["berlin-1"]);
  const [node] = lab.nodes as [LabNode];
  await lab.waitFor("it answers", () => ask(node.namespace, "/health"));
  await node.agent!.stop("SIGKILL");
  await node.startAgent();
  await lab.waitFor(
    "it is ready",
    async () => (await ask(node.namespace, "/ready")).status === 200,
  );
});

onOwnCluster(
  "an agent without API server says so, stays ready for a while, and counts how often",
  async (_, cluster) => {
    await using lab = await mesh(["berlin-1", "tokyo-1"], { backend: cluster });
    const [{ namespace }] = lab.nodes as [LabNode, LabNode];
    const backend = async () => {
      const { parts } = JSON.parse((await ask(namespace, "/health")).body);
      return parts.find(({ name }: { name: string }) => name === "backend");
    };
    const isLive = async (live: boolean) =>
      (await backend()).state === (live ? "works" : "fails") &&
      (await scrape(namespace)).get("kilo_backend_live") === Number(live);
    const restarts = async () => (await scrape(namespace)).get("kilo_watch_restarts_total")!;
    await lab.waitFor("it is seen", () => isLive(true));
    const before = await restarts();

    await cluster.server.halt();
    await lab.waitFor("it is missed", () => isLive(false));
    assert.match((await backend()).problem, /cannot be watched/);
    assert.equal((await ask(namespace, "/ready")).status, 200);
    await lab.waitFor("pods reach each other", () => podsReach(lab.nodes));

    await cluster.server.resume();
    await lab.waitFor("it is seen again", () => isLive(true));
    assert.ok(await restarts() > before);
  },
);
