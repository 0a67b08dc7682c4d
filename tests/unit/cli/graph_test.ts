import assert from "node:assert/strict";
import { execute } from "../../../src/cli/command.ts";
import { KGCTL } from "../../../src/cli/commands.ts";
import { runKgctl } from "../../vectors/run_kgctl.ts";
import { node, peer } from "./mesh_cluster.ts";

Deno.test("graph takes granularity and subnet from the first ready node that has them", async () => {
  const { code, stdout, stderr } = await runKgctl([
    node("d", { "granularity": "full", "wireguard-ip": "10.9.0.1/16" }),
    node("c", { "granularity": "location", "wireguard-ip": "10.8.0.1/16" }),
    node("b", { "granularity": "location" }),
    node("a", { "granularity": "" }),
    node("0", { "granularity": "full", "last-seen": "1" }),
  ], ["graph"]);
  assert.equal(code, 0);
  assert.match(stdout, /^\tlabel="10\.8\.0\.0\/16";$/m);
  assert.match(stdout, /"cluster_location_location:"/);
  assert.deepEqual(stderr.trimEnd().split("\n"), [
    "Warning: the mesh granularity is location as b says; others say otherwise: d (full)",
    "Warning: the WireGuard subnet is 10.8.0.0/16 as c says; others say otherwise: d (10.9.0.0/16)",
  ]);
});

Deno.test("graph does as it is told about granularity, and has a subnet if no node says", async () => {
  const nodes = [node("a", { "granularity": "location" }), node("b", { "granularity": "full" })];
  const { code, stdout, stderr } = await runKgctl(nodes, ["graph", "--mesh-granularity=full"]);
  assert.deepEqual([code, stderr], [0, ""]);
  assert.match(stdout, /^\tlabel="10\.4\.0\.0\/16";$/m);
  assert.match(stdout, /"cluster_location_node:a"/);
  assert.match(stdout, /\n}\n\n$/, "one newline more");
});

Deno.test("graph without a ready node or a granularity ends with its usage and the reason", async () => {
  const notReady = [node("a", { "last-seen": "1" }), node("b", { "key": "" })];
  const cases = [
    { nodes: notReady, reason: "did not find any ready node in the cluster" },
    {
      nodes: [node("a", { "granularity": "" })],
      reason: "no ready node says the mesh granularity: give --mesh-granularity",
    },
  ];
  for (const { nodes, reason } of cases) {
    const { code, stdout, stderr } = await runKgctl(nodes, ["graph"]);
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, /\nUsage: kgctl graph \[flags\]\n/);
    assert.ok(stderr.endsWith(`\nError: ${reason}\n`), stderr);
  }
});

Deno.test("graph warns of what it passes over", async () => {
  const { code, stderr } = await runKgctl([
    node("a", { "allowed-location-ips": "10.42.1.0/25,nonsense" }),
    { kind: "Peer", metadata: { name: "p" }, spec: { publicKey: "short" } },
  ], ["graph"]);
  assert.equal(code, 0);
  assert.match(stderr, /^Warning: .*"nonsense" is not/m);
  assert.match(stderr, /^Warning: .*Peer "p" is ignored/m);
  assert.match(stderr, /^Warning: allowed location IP 10\.42\.1\.0\/25/m);
});

Deno.test("graph names who claims what a node has", async () => {
  const { stderr } = await runKgctl([
    node("a"),
    { ...node("b"), spec: { podCIDR: "10.42.1.0/24" } },
    peer("p", { allowedIPs: ["10.42.1.7/32", "10.42.0.0/16"] }),
  ], ["graph", "--mesh-granularity=full"]);
  assert.deepEqual(stderr.trimEnd().split("\n"), [
    "Warning: node b claims 10.42.1.0/24, which node a has and keeps",
    "Warning: Peer p claims 10.42.1.7/32, but 10.42.1.0/24 belongs to node a",
  ]);
});

Deno.test("graph does not wait for a cluster that it cannot see", async () => {
  const cases = [
    { flags: ["--backend=file", "--backend-path=/nowhere"], reason: "/nowhere cannot be listed" },
    { flags: ["--backend=file"], reason: "--backend file needs --backend-path DIRECTORY" },
  ];
  for (const { flags, reason } of cases) {
    let stderr = "";
    const output = { out: () => {}, error: (text: string) => void (stderr += `${text}\n`) };
    assert.equal(await execute(KGCTL, ["graph", ...flags], output), 1);
    assert.ok(stderr.includes(`\nError: ${reason}`), stderr);
  }
});
