import assert from "node:assert/strict";
import { AgentMetrics, type Present } from "../../../src/http/agent_metrics.ts";
import { formatMetrics } from "../../../src/http/metrics/exposition.ts";
import { key } from "../mesh/cluster.ts";

const PRESENT: Present = {
  live: true,
  relists: 2,
  spent: { device: 1500, firewall: 0, flows: 0, routes: 250, rules: 0 },
  excluded: new Map([["stale", 3]]),
  handshakes: [{ kind: "peer", name: "laptop", age: 12.5 }],
  counters: [{
    ...{ interface: "kilo0", publicKey: key(101), name: "laptop", allowedIPs: [] },
    ...{ lastHandshake: 5000, receivedBytes: 148, sentBytes: 92 },
  }],
};

const SUMS = { device: 0, firewall: 2, flows: 0, routes: 1, rules: 0 };

async function lines(
  metrics: AgentMetrics,
  present: Present | undefined = PRESENT,
): Promise<string[]> {
  const text = await formatMetrics(metrics.collect(present));
  return text.split("\n").filter((line) => line !== "");
}

async function valuesOf(metrics: AgentMetrics, name: string): Promise<string[]> {
  return (await lines(metrics)).filter((line) => line.startsWith(name));
}

Deno.test("AgentMetrics has the original's metrics and ours, by name and type", async () => {
  const metrics = new AgentMetrics();
  metrics.applied(SUMS, { isLeader: true });
  const types = (await lines(metrics)).filter((line) => line.startsWith("# TYPE "))
    .map((line) => line.slice("# TYPE ".length));
  assert.deepEqual(types.sort(), [
    "kilo_backend_live gauge",
    "kilo_drift_repairs_total counter",
    "kilo_errors_total counter",
    "kilo_excluded_nodes gauge",
    "kilo_iptables_operations_total counter",
    "kilo_last_handshake_age_seconds gauge",
    "kilo_leader gauge",
    "kilo_netlink_messages_total counter",
    "kilo_nodes gauge",
    "kilo_part_failing gauge",
    "kilo_peers gauge",
    "kilo_reconcile_changes_total counter",
    "kilo_reconcile_duration_seconds histogram",
    "kilo_reconcile_seconds_total counter",
    "kilo_reconciles_total counter",
    "kilo_refused gauge",
    "kilo_warnings gauge",
    "kilo_watch_restarts_total counter",
    "process_cpu_seconds_total counter",
    "process_heap_bytes gauge",
    "process_resident_memory_bytes gauge",
    "process_start_time_seconds gauge",
    "wireguard_latest_handshake_seconds gauge",
    "wireguard_received_bytes_total counter",
    "wireguard_sent_bytes_total counter",
  ]);
  for (const type of types) {
    const [name] = type.split(" ");
    const help = (await lines(metrics)).filter((line) => line.startsWith(`# HELP ${name} `));
    assert.equal(help.length, 1, name);
    assert.match(help[0]!, / [A-Z].*[.?]$/);
  }
});

Deno.test("AgentMetrics counts errors by event, all of them from the start", async () => {
  const metrics = new AgentMetrics();
  metrics.failed("peer");
  metrics.failed("cleanUp", 2);
  assert.deepEqual(await valuesOf(metrics, "kilo_errors_total{"), [
    'kilo_errors_total{event="apply"} 0',
    'kilo_errors_total{event="checkin"} 0',
    'kilo_errors_total{event="cleanUp"} 2',
    'kilo_errors_total{event="local"} 0',
    'kilo_errors_total{event="peer"} 1',
    'kilo_errors_total{event="run"} 0',
  ]);
});

Deno.test("AgentMetrics tells of reconciles: attempts, members, leadership, changes, time", async () => {
  const metrics = new AgentMetrics();
  assert.deepEqual(await valuesOf(metrics, "kilo_leader "), ["kilo_leader 0"]);
  {
    using _attempt = metrics.attempt({ nodes: 3, peers: 500 });
    assert.deepEqual(await valuesOf(metrics, "kilo_reconciles_total "), [
      "kilo_reconciles_total 1",
    ]);
    assert.deepEqual(await valuesOf(metrics, "kilo_reconcile_duration_seconds_count"), [
      "kilo_reconcile_duration_seconds_count 0",
    ]);
  }
  metrics.applied(SUMS, { isLeader: true });
  metrics.applied(SUMS, { isLeader: true });
  for (
    const line of [
      "kilo_nodes 3",
      "kilo_peers 500",
      "kilo_leader 1",
      "kilo_reconcile_duration_seconds_count 1",
      'kilo_reconcile_changes_total{subsystem="firewall"} 4',
      'kilo_reconcile_changes_total{subsystem="rules"} 0',
      'kilo_reconcile_seconds_total{subsystem="device"} 1.5',
      'kilo_reconcile_seconds_total{subsystem="routes"} 0.25',
    ]
  ) assert.ok((await lines(metrics)).includes(line), line);
});

Deno.test("AgentMetrics counts what is written and repaired, and firewall operations", async () => {
  const metrics = new AgentMetrics();
  metrics.wrote("route", 5);
  metrics.wrote("route", 1);
  metrics.repaired("rule");
  const place = { protocol: "IPv6", table: "nat", chain: "KILO-NAT" };
  metrics.firewallDid([{ ...place, operation: "InsertUnique", count: 7 }]);
  metrics.firewallDid([{ ...place, operation: "InsertUnique", count: 1 }]);
  const line = 'protocol="IPv6",table="nat",chain="KILO-NAT",operation="InsertUnique"';
  assert.deepEqual(
    await valuesOf(metrics, "kilo_iptables"),
    [`kilo_iptables_operations_total{${line}} 8`],
  );
  assert.deepEqual(await valuesOf(metrics, "kilo_netlink"), [
    'kilo_netlink_messages_total{kind="route"} 6',
  ]);
  assert.deepEqual(await valuesOf(metrics, "kilo_drift"), [
    'kilo_drift_repairs_total{kind="rule"} 1',
  ]);
});

Deno.test("AgentMetrics shows what is so at present, peers of the device on a leader only", async () => {
  const metrics = new AgentMetrics();
  const handshake = 'kilo_last_handshake_age_seconds{kind="peer",name="laptop"} 12.5';
  assert.ok(!(await lines(metrics)).includes(handshake));
  assert.deepEqual(await valuesOf(metrics, "wireguard_"), []);
  metrics.applied(SUMS, { isLeader: true });
  for (
    const line of [
      handshake,
      "kilo_backend_live 1",
      "kilo_watch_restarts_total 2",
      'kilo_excluded_nodes{reason="stale"} 3',
      'kilo_excluded_nodes{reason="no key"} 0',
    ]
  ) assert.ok((await lines(metrics)).includes(line), line);
  assert.equal((await valuesOf(metrics, "wireguard_")).length, 3);
  assert.ok((await lines(metrics, undefined)).includes("kilo_reconciles_total 0"));
});

Deno.test("AgentMetrics has nothing that docs/metrics.md does not tell of", async () => {
  const text = await Deno.readTextFile(new URL("../../../docs/metrics.md", import.meta.url));
  const metrics = new AgentMetrics();
  metrics.applied(SUMS, { isLeader: true });
  for (const { name } of metrics.collect(PRESENT)) {
    assert.match(text, new RegExp(`\`${name}[\`{]`), name);
  }
});
