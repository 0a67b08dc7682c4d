import assert from "node:assert/strict";
import { Monitor } from "../../../src/agent/monitor.ts";
import type { Backend, Problem } from "../../../src/backend/backend.ts";
import { formatMetrics } from "../../../src/http/metrics/exposition.ts";
import { key } from "../mesh/cluster.ts";
import { warning } from "../../../src/net/warning.ts";

function backend(live: boolean, problems: readonly Problem[]): Backend {
  return {
    live,
    cluster: () => ({ nodes: new Map(), peers: new Map(), problems }),
  } as unknown as Backend;
}

async function valueOf(monitor: Monitor, series: string): Promise<string | undefined> {
  const lines = (await formatMetrics(monitor.metrics())).split("\n");
  return lines.find((line) => line.startsWith(`${series} `))?.slice(series.length + 1);
}

const stateOf = (monitor: Monitor, name: string) =>
  monitor.health().parts.find((part) => part.name === name)!;

Deno.test("Monitor answers before there is anything to tell", async () => {
  const monitor = new Monitor();
  const { ready, pending, parts } = monitor.health();
  assert.deepEqual([ready, pending], [false, "reading the key"]);
  assert.ok(parts.every(({ state }) => state === "waiting"));
  assert.equal(await valueOf(monitor, "kilo_nodes"), "0");
  assert.deepEqual(monitor.mesh(), { problem: "the agent has not begun yet" });
});

Deno.test("Monitor follows the backend, and counts a Peer's problem once as long as it stands", async () => {
  const monitor = new Monitor();
  monitor.backendChanged(backend(false, []));
  assert.equal(stateOf(monitor, "backend").state, "waiting");
  const peers: Problem[] = ["a", "b"].map((name) => (
    { ...warning("peer", name, `Peer "${name}" is ignored`), event: "peer" }
  ));
  monitor.backendChanged(
    backend(false, [warning("backend", "Nodes", "connection refused"), ...peers]),
  );
  const { state, problem } = stateOf(monitor, "backend");
  assert.deepEqual([state, problem], ["fails", "connection refused"]);
  assert.equal(await valueOf(monitor, 'kilo_errors_total{event="peer"}'), "2");
  monitor.backendChanged(backend(true, [...peers]));
  assert.equal(stateOf(monitor, "backend").state, "works");
  assert.equal(await valueOf(monitor, 'kilo_errors_total{event="peer"}'), "2");
  monitor.backendChanged(backend(true, []));
  monitor.backendChanged(backend(true, peers.slice(1)));
  assert.equal(await valueOf(monitor, 'kilo_errors_total{event="peer"}'), "3");
});

Deno.test("Monitor is ready once the mesh stands; what stalls it before is the pending step, later a failure", () => {
  const monitor = new Monitor();
  monitor.meshStalls("there is no Node a");
  assert.equal(monitor.health().pending, "there is no Node a");
  assert.equal(stateOf(monitor, "mesh").state, "waiting");
  monitor.meshStands();
  assert.deepEqual(
    [monitor.health().ready, monitor.health().pending, stateOf(monitor, "mesh").state],
    [true, null, "works"],
  );
  monitor.meshStalls("there is no Node a");
  assert.equal(monitor.health().pending, null);
  assert.equal(stateOf(monitor, "mesh").problem, "there is no Node a");
});

Deno.test("Monitor shows no key, whatever an error says", () => {
  const monitor = new Monitor();
  monitor.parts.fails("mesh", `refused: ${key(7)}`);
  monitor.parts.pending = `waiting for ${key(8)}`;
  const text = JSON.stringify(monitor.health());
  assert.ok(!text.includes(key(7)) && !text.includes(key(8)), text);
  assert.match(text, /refused: \(key\)/);
});

Deno.test("Monitor counts a repair of each kind once, not the flows that it led to", async () => {
  const monitor = new Monitor();
  monitor.repaired(new Set(["nftables", "conntrack"]), { device: 3, files: 1 });
  const repairs = (await formatMetrics(monitor.metrics())).split("\n")
    .filter((line) => line.startsWith("kilo_drift_repairs_total{"));
  assert.deepEqual(repairs, [
    'kilo_drift_repairs_total{kind="nftables"} 1',
    'kilo_drift_repairs_total{kind="wireguard"} 1',
    'kilo_drift_repairs_total{kind="CNI"} 1',
  ]);
});

Deno.test("Monitor shows the warnings that hold in /health and counts them by code in the metrics", async () => {
  const monitor = new Monitor();
  const key = btoa("k".repeat(32));
  monitor.warnings = [
    warning("protected", "Peer office", "10.0.0.0/24 is this host's network"),
    warning("protected", "Peer home", `odd ${key}`),
    warning("dns", "DNS name x", "no such name"),
  ];
  assert.deepEqual(monitor.health().warnings.map(({ code, text }) => `${code}: ${text}`), [
    "protected: 10.0.0.0/24 is this host's network",
    "protected: odd (key)",
    "dns: no such name",
  ]);
  assert.equal(await valueOf(monitor, 'kilo_warnings{code="protected"}'), "2");
  assert.equal(await valueOf(monitor, 'kilo_warnings{code="cni"}'), "0");
  monitor.warnings = [];
  assert.equal(await valueOf(monitor, 'kilo_warnings{code="protected"}'), "0");
});

Deno.test("Monitor bounds the warnings of /health, and counts all", async () => {
  const monitor = new Monitor();
  monitor.warnings = Array.from({ length: 5000 }, (_, n) => warning("peer", `Peer ${n}`, "bad"));
  assert.equal(monitor.health().warnings.length, 100);
  assert.equal(await valueOf(monitor, 'kilo_warnings{code="peer"}'), "5000");
});
