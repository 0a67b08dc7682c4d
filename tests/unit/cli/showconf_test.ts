import assert from "node:assert/strict";
import { runKgctl } from "../../vectors/run_kgctl.ts";
import { node, peer } from "./mesh_cluster.ts";

const KEEPALIVE = { "persistent-keepalive": "25" };
const CLUSTER = [
  node("a", { "endpoint": "a.example.com:7" }),
  node("b", KEEPALIVE),
  peer("laptop", {
    endpoint: { dnsOrIP: { dns: "laptop.example.net", ip: "192.0.2.9" }, port: 5 },
    persistentKeepalive: 10,
    presharedKey: "ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICA=",
  }),
  peer("phone", { allowedIPs: ["10.5.0.1/32", "10.5.0.2/24"] }),
];

const show = (...args: string[]) => runKgctl(CLUSTER, ["showconf", ...args]);

Deno.test("showconf node prints the configuration of a leader with its keepalive", async () => {
  const { code, stdout, stderr } = await show("node", "b", "--port=0x10");
  assert.deepEqual([code, stderr.match(/^Warning/gm)?.length], [0, 1], stderr); // of 10.5.0.1/32
  const [device, ...peers] = stdout.split("\n\n");
  assert.equal(device, "[Interface]\nListenPort = 16");
  assert.equal(peers.length, 3);
  for (const text of peers) assert.match(text, /^PersistentKeepalive = 25$/m);
  assert.match(stdout, /[^\n]\n$/);
});

Deno.test("showconf node says of a node that leads nothing that it does not, and that is no error", async () => {
  const { code, stdout, stderr } = await runKgctl(
    [node("a"), node("b")],
    "showconf node b --mesh-granularity location --as-peer".split(" "),
  );
  assert.deepEqual([code, stdout, stderr], [0, "", 'Node "b" is not a leader node\n']);
});

Deno.test("showconf peer prints what the Peer must set, its own secret included", async () => {
  const { code, stdout } = await show("peer", "laptop");
  assert.equal(code, 0);
  assert.doesNotMatch(stdout, /\[Interface\]/);
  const blocks = stdout.split("\n\n");
  assert.equal(blocks.length, 3, "two nodes and the other Peer");
  for (const text of blocks) assert.match(text, /^PersistentKeepalive = 10$/m);
  assert.deepEqual(blocks.map((text) => /PresharedKey/.test(text)), [true, true, false]);
});

Deno.test("showconf --as-peer adds allowed IPs as networks, each text once", async () => {
  const lists = ["--allowed-ips=10.99.0.7/24,10.42.1.0/24", "--allowed-ips", "10.99.0.0/24"];
  const { stdout } = await show("node", "a", "--as-peer", ...lists);
  assert.match(
    stdout,
    /^AllowedIPs = 10\.42\.1\.0\/24, 10\.0\.0\.1\/32, 10\.4\.0\.1\/32, 10\.99\.0\.0\/24$/m,
  );
  assert.match(stdout, /^PersistentKeepalive = 0$/m);
});

Deno.test("showconf peer --as-peer shows the object, whatever others claim", async () => {
  const { stdout } = await show("peer", "phone", "--as-peer");
  assert.match(stdout, /^AllowedIPs = 10\.5\.0\.1\/32, 10\.5\.0\.2\/24$/m);
  const json = JSON.parse((await show("peer", "phone", "--as-peer", "-ojson")).stdout);
  assert.deepEqual(Object.keys(json.spec), ["allowedIPs", "publicKey"]);
});

Deno.test("showconf -o json shows host name and seconds, and ends in a newline", async () => {
  const { stdout } = await show("peer", "laptop", "--as-peer", "-o=json");
  assert.match(stdout, /[^\n]\n$/);
  assert.equal(
    stdout,
    JSON.stringify(
      {
        kind: "Peer",
        apiVersion: "kilo.squat.ai/v1alpha1",
        metadata: { name: "laptop" },
        spec: {
          allowedIPs: ["10.5.0.1/32"],
          endpoint: { dnsOrIP: { dns: "laptop.example.net" }, port: 5 },
          persistentKeepalive: 10,
          presharedKey: "ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICA=",
          publicKey: "bGFwdG9wICAgICAgICAgICAgICAgICAgICAgICAgICA=",
        },
      },
      null,
      2,
    ) + "\n",
  );
});

Deno.test("showconf -o yaml quotes what would be something else than text", async () => {
  const yes = node("no", { "endpoint": "[::1]:5", "internal-ip": "" });
  const { stdout } = await runKgctl([yes], "showconf node no --as-peer --output yaml".split(" "));
  assert.equal(
    stdout,
    [
      "apiVersion: kilo.squat.ai/v1alpha1",
      "kind: Peer",
      "metadata:",
      '  name: "no"',
      "spec:",
      "  allowedIPs:",
      "  - 10.42.14.0/24",
      "  - 10.4.0.1/32",
      "  endpoint:",
      "    dnsOrIP:",
      "      ip: ::1",
      "    port: 5",
      "  publicKey: bm8gICAgICAgICAgICAgICAgICAgICAgICAgICAgICA=",
      "",
    ].join("\n"),
  );
});

Deno.test("showconf names what is not there, below its usage", async () => {
  for (const kind of ["node", "peer"]) {
    const { code, stdout, stderr } = await show(kind, "x");
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, /Usage: kgctl showconf \[flags\] node\|peer NAME\n/);
    assert.ok(
      stderr.endsWith(`\nError: did not find any ${kind} named "x" in the cluster\n`),
      stderr,
    );
  }
});

Deno.test("showconf refuses what it cannot understand", async () => {
  for (const args of [[], ["node"], ["peer", "a", "b"], ["pod", "a"]]) {
    const { code, stderr } = await show(...args);
    assert.equal(code, 1);
    assert.match(stderr, /\nError: node NAME or peer NAME is expected\n$/, args.join(" "));
  }
  for (const flag of ["--output=toml", "--allowed-ips=10.0.0.0"]) { // also where they do not count
    const { code, stderr } = await show("node", "a", flag);
    assert.deepEqual([code, stderr.trim().split("\n").length], [1, 1], flag);
  }
});
