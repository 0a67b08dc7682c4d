import assert from "node:assert/strict";
import type { Key } from "../../src/net/key.ts";
import { parsePrefix } from "../../src/net/prefix.ts";
import { parseIP } from "../../src/net/ip.ts";
import { generatePrivateKey } from "../../src/wireguard/key.ts";
import { Lab } from "./lab.ts";
import type { LabPeer } from "./peer.ts";
import { changes } from "./snapshot.ts";
import { ping } from "./traffic.ts";
import { waitFor } from "./wait.ts";
import { only, type PeerSpec, THREE_LOCATIONS, type World } from "./world.ts";

async function answers(lab: Lab, from: string, to: string): Promise<boolean> {
  return (await ping(lab.machine(from), to, { timeout: 0.5 })).received === 1;
}

Deno.test("Lab.create() connects the sites, hides what is behind NAT and what is private", async () => {
  await using lab = await Lab.create();
  assert.ok(await answers(lab, "berlin-1", "203.0.113.31"), "berlin-1 to tokyo-1");
  assert.ok(await answers(lab, "laptop", "198.51.100.12"), "laptop to berlin-2");
  assert.ok(await answers(lab, "berlin-1", "10.1.0.12"), "berlin-1 to berlin-2 by the LAN");
  assert.ok(await answers(lab, "office-1", "203.0.113.31"), "office-1 through its NAT");
  assert.ok(!await answers(lab, "tokyo-1", "192.168.7.41"), "tokyo-1 to office-1");
  assert.ok(!await answers(lab, "tokyo-1", "192.0.2.10"), "tokyo-1 to the office's router");
  assert.ok(!await answers(lab, "tokyo-1", "10.1.0.12"), "tokyo-1 to berlin's LAN");
  assert.ok(!await answers(lab, "tokyo-1-pod", "10.42.1.2"), "pod to pod without kg");
  assert.ok(await answers(lab, "tokyo-1-pod", "10.2.0.31"), "a pod to its own node");
});

Deno.test("a node of the lab has its own name, files and Node object", async () => {
  await using lab = await Lab.create();
  const node = lab.node("office-1");
  assert.equal((await node.exec(["hostname"])).trim(), "office-1");
  await node.exec(["touch", "/etc/here", "/var/lib/here", "/run/here"]);
  for (const path of ["/etc/here", "/var/lib/here", "/run/here"]) {
    assert.ok(Deno.statSync(node.namespace.path(path)).isFile);
    assert.throws(() => Deno.statSync(path), Deno.errors.NotFound);
  }
  const [object] = (await lab.objects.nodes()).filter(({ metadata }) =>
    metadata.name === "office-1"
  );
  assert.equal(object?.spec?.podCIDR, "10.42.4.0/24");
  assert.deepEqual(object?.metadata.annotations, { "kilo.squat.ai/persistent-keepalive": "5" });
});

Deno.test("snapshot() is the same for the same state and shows what changed", async () => {
  await using lab = await Lab.create();
  const node = lab.node("berlin-1");
  const before = await node.snapshot();
  assert.equal(changes(before, await node.snapshot()), "");
  await node.exec(["ip", "route", "add", "10.9.0.0/16", "via", "10.1.0.12"]);
  assert.equal(changes(before, await node.snapshot()), "+ 10.9.0.0/16 via 10.1.0.12 dev eth0");
});

Deno.test("crossing() tells what WireGuard sealed from what it did not", async () => {
  const world: World = {
    sites: [
      { name: "east", gateway: ["198.51.100.1/24"] },
      { name: "west", gateway: ["203.0.113.1/24"] },
    ],
    nodes: [],
    peers: [
      { ...PEER, name: "e", site: "east", addresses: ["198.51.100.9/24"], allowedIPs: [E] },
      { ...PEER, name: "w", site: "west", addresses: ["203.0.113.9/24"], allowedIPs: [W] },
    ],
  };
  await using lab = await Lab.create({ world });
  const [e, w] = lab.peers as [LabPeer, LabPeer];
  await Promise.all([
    e.configure({ peers: [target(await w.publicKey(), { ip: "203.0.113.9", allowed: W })] }),
    w.configure({ peers: [target(await e.publicKey(), { ip: "198.51.100.9", allowed: E })] }),
  ]);
  await waitFor("the tunnel stands", () => answers(lab, "e", W.replace("/32", "")));
  const before = await lab.crossing();
  assert.equal(before.clear.packets, 0);
  await ping(e.namespace, W.replace("/32", ""), { count: 5 });
  const between = await lab.crossing();
  assert.ok(between.sealed.packets >= before.sealed.packets + 10, "both ways");
  await ping(e.namespace, "203.0.113.9", { count: 5 });
  assert.equal((await lab.crossing()).clear.packets, 10);
});

const PEER = { persistentKeepalive: 0 } satisfies Partial<PeerSpec>;
const E = "10.9.0.1/32";
const W = "10.9.0.2/32";

function target(publicKey: Key, { ip, allowed }: { ip: string; allowed: string }) {
  const endpoint = { ip: parseIP(ip)!, port: 51820 };
  return { publicKey, endpoint, persistentKeepalive: 0, allowedIPs: [parsePrefix(allowed)!] };
}

Deno.test("two labs stand side by side, and each leaves nothing behind", async () => {
  const kept: { pids: number[]; directory: string }[] = [];
  {
    await using one = await Lab.create();
    await using two = await Lab.create();
    assert.ok(await answers(one, "laptop", "198.51.100.12"));
    assert.ok(await answers(two, "laptop", "198.51.100.12"));
    for (const lab of [one, two]) kept.push({ pids: inside(lab), directory: lab.directory });
  }
  for (const { pids, directory } of kept) {
    assert.ok(pids.length > 13);
    assert.deepEqual(pids.filter(isAlive), []);
    assert.throws(() => Deno.statSync(directory), Deno.errors.NotFound);
  }
});

Deno.test("a lab whose agents print a key ends with an error that says where", async () => {
  const program = await Deno.makeTempFile({ prefix: "kg-lab-test-" });
  const key = generatePrivateKey();
  await Deno.writeTextFile(
    program,
    `#!/bin/sh
mkdir -p /var/lib/kilo
echo ${key} >/var/lib/kilo/key
echo 'the file holds ${key.slice(0, 30)}…' >&2
`,
  );
  await Deno.chmod(program, 0o755);
  try {
    const lab = await Lab.create({
      world: only(THREE_LOCATIONS, ["berlin-1", "tokyo-1"]),
      program,
    });
    await (await lab.node("berlin-1").startAgent()).end();
    await assert.rejects(
      lab[Symbol.asyncDispose](),
      new Error("there are keys in logs: berlin-1.log:1"),
    );
    assert.throws(() => Deno.statSync(lab.directory), Deno.errors.NotFound);
  } finally {
    await Deno.remove(program);
  }
});

Deno.test("nothing runs on when the lab's maker is killed", async () => {
  const code = `
    import { Lab } from ${JSON.stringify(import.meta.resolve("./lab.ts"))};
    const lab = await Lab.create();
    console.log(lab.nodes[0].namespace.pid, lab.directory);
    await new Promise(() => setInterval(() => {}, 1000));`;
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const maker = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--config", config, code],
    stdout: "piped",
  }).spawn();
  const reader = maker.stdout.getReader();
  const { value } = await reader.read();
  const [pid, directory] = decode(value!).trim().split(" ") as [string, string];
  const pids = processesWhere((network) => network === networkOf(Number(pid)));
  assert.ok(pids.length >= 2, "the holder and wireguard-go");
  maker.kill("SIGKILL");
  await Promise.all([maker.status, reader.cancel()]);
  await waitFor("all are gone", () => !pids.some(isAlive));
  await using _next = await Lab.create();
  assert.throws(() => Deno.statSync(directory), Deno.errors.NotFound, "its files");
});

/** Every process in one of the lab's namespaces. */
function inside(lab: Lab): number[] {
  const machines = [
    ...lab.nodes.flatMap((node) => [node.namespace, node.pod]),
    ...lab.peers.map(
      (peer) => peer.namespace,
    ),
  ].concat(["internet", "berlin-router"].map((name) => lab.machine(name)));
  const networks = new Set(machines.map(({ pid }) => networkOf(pid)));
  return processesWhere((network) => networks.has(network));
}

function processesWhere(test: (network: string) => boolean): number[] {
  const pids = [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter((pid) => pid);
  return pids.filter((pid) => {
    const network = networkOf(pid);
    return network !== "" && test(network);
  });
}

function networkOf(pid: number): string {
  try {
    return Deno.readLinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return "";
  }
}

/** A process that is only waiting to be reaped is not alive. */
function isAlive(pid: number): boolean {
  return networkOf(pid) !== "";
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
