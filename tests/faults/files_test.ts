import assert from "node:assert/strict";
import { generatePrivateKey } from "../../src/wireguard/key.ts";
import { onEachBackend } from "../lab/backends.ts";
import { nodeObject } from "../lab/manifests.ts";
import { addPeer, mesh } from "../lab/mesh.ts";
import type { LabNode } from "../lab/node.ts";
import { waitFor } from "../lab/wait.ts";
import { assertDiscreet, assertUnharmed, complaints, count } from "./fault.ts";

const TWO = ["berlin-1", "tokyo-1"];
const STATE = "/var/lib/kilo";
const CNI = "/etc/cni/net.d";

/** Puts a small file system with the same files over a directory of a node, and fills it. */
async function fill(node: LabNode, directory: string): Promise<void> {
  await node.namespace.script(`
    cp -a ${directory} /run/copy
    mount -t tmpfs -o size=64k small ${directory}
    cp -a /run/copy/. ${directory}
    rm -rf /run/copy
    dd if=/dev/zero of=${directory}/.ballast bs=4k 2>/dev/null || true`);
}

async function makeReadOnly(node: LabNode, directory: string): Promise<void> {
  await node.namespace.script(
    `mount --bind ${directory} ${directory}; mount -o remount,bind,ro ${directory}`,
  );
}

for (
  const { how, harm, said } of [
    { how: "full", harm: fill, said: "(No space left on device|ENOSPC)" },
    { how: "read-only", harm: makeReadOnly, said: "(Read-only file system|EROFS)" },
  ]
) {
  const title = `directories that become ${how} are named once each, and the mesh goes on`;
  onEachBackend(title, async (_, backend) => {
    await using lab = await mesh(TWO, { backend, flags: ["--resync-period=1s"] });
    const [node] = lab.nodes as [LabNode, LabNode];
    const status = backend.name === "file" ? [`${lab.manifests.directory}/status`] : [];
    const directories = [...status, STATE, CNI];
    for (const directory of directories) await harm(node, directory);
    // Something is to be written to each of them.
    const endpoint = { "force-endpoint": "198.51.100.11:51821" };
    const podCIDR = "10.42.9.0/24";
    await lab.objects.delete("Node", node.name); // one that exists keeps its pod CIDR
    await lab.objects.put({ ...nodeObject(node.spec, endpoint), spec: { podCIDR } });
    await addPeer(lab, "10.10.77.0/24");
    for (const directory of directories) {
      const pattern = new RegExp(`${directory}/.*${said}`);
      await lab.waitFor(`a complaint of ${directory}`, () => count(node, pattern) > 0);
    }
    await addPeer(lab, "10.10.78.0/24");
    for (const directory of directories) {
      assert.equal(
        count(node, new RegExp(`${directory}/.*${said}`)),
        1,
        complaints(node).join("\n"),
      );
    }
    for (const { agent } of lab.nodes) assert.equal(agent!.ended, undefined);
    assertDiscreet(lab);
  });
}

onEachBackend(
  "an agent starts where its directory is read-only, with its key in it",
  async (_, backend) => {
    await using lab = await mesh(TWO, { backend });
    const [node] = lab.nodes as [LabNode, LabNode];
    await node.agent!.stop("SIGKILL");
    await makeReadOnly(node, STATE);
    await node.startAgent();
    await addPeer(lab, "10.10.77.0/24");
    await assertUnharmed(lab);
  },
);

Deno.test("5,000 broken files do not hold up the others, nor fill the log", async () => {
  await using lab = await mesh(TWO);
  const { directory } = lab.manifests;
  const manifest = await Deno.readTextFile(lab.manifests.path("Node", "tokyo-1"));
  const secret = generatePrivateKey();
  const broken = [
    "kind: Peer\nspec: [",
    "\0\xff",
    "{",
    manifest.slice(0, 60),
    "- - -\n\t:",
    `kind: Peer\nmetadata: { name: p }\nspec: { allowedIPs: [x], presharedKey: "${secret}" }`,
  ];
  for (let n = 0; n < 5000; n++) {
    await Deno.writeTextFile(`${directory}/zz-${n}.yaml`, broken[n % broken.length]!);
  }
  const start = performance.now();
  await addPeer(lab, "10.10.77.0/24");
  const time = performance.now() - start;
  console.log(`measured: a Peer among 5,000 broken files is in force after ${time.toFixed(0)} ms`);
  for (const node of lab.nodes) {
    await lab.waitFor("they are counted", () => count(node, /more warnings, too many to name/) > 0);
  }
  let change = 0;
  await waitFor("one that is broken otherwise is told of", async () => {
    const peer = `kind: Peer\nmetadata: { name: p }\nspec: { allowedIPs: [x${change++}] }`;
    await Deno.writeTextFile(`${directory}/zz-18.yaml`, peer);
    return lab.nodes.every((node) => count(node, /zz-18\.yaml.*x\d/) > 0);
  }, { interval: 500 });
  for (const node of lab.nodes) {
    const lines = node.agent!.log.filter(({ level }) => level === "warn").length;
    assert.ok(lines < 200, `${node.name}: ${lines} warnings`);
  }
  await assertUnharmed(lab);
  assertDiscreet(lab, [secret]);
});

Deno.test("a file that grows while it is read, a directory that goes and comes, cut nobody off", async () => {
  await using lab = await mesh(TWO);
  const [node] = lab.nodes as [LabNode, LabNode];
  const losses = watchForLosses(node);
  await writeSlowly(lab.manifests.path("Node", "tokyo-1"));
  await addPeer(lab, "10.10.77.0/24");
  await Deno.rename(lab.manifests.directory, `${lab.directory}/away`);
  await lab.waitFor("a complaint", () => count(node, /cluster/) > 0);
  await Deno.rename(`${lab.directory}/away`, lab.manifests.directory);
  await addPeer(lab, "10.10.78.0/24");
  assert.deepEqual(await losses.end(), []);
  await assertUnharmed(lab);
});

Deno.test("a directory that is unmounted, and mounted again, cuts nobody off", async () => {
  await using lab = await mesh(TWO, { flags: ["--resync-period=1s"] });
  const [node] = lab.nodes as [LabNode, LabNode];
  const losses = watchForLosses(node);
  const { directory } = lab.manifests;
  // An empty mount point is what is left when a file system is unmounted.
  await node.namespace.script(`mkdir /run/empty; mount --bind /run/empty ${directory}`);
  const isSaid = async () => {
    const health = await node.exec(["curl", "-s", "http://127.0.0.1:1107/health"]);
    return health.includes("cluster cannot be listed") && health.includes("it is empty");
  };
  await lab.waitFor("a complaint", () => count(node, /cluster cannot be listed.*it is empty/) > 0);
  await lab.waitFor("the same on /health", isSaid);
  await node.namespace.script(`umount ${directory}`);
  await addPeer(lab, "10.10.77.0/24");
  await node.namespace.script(`mount -t tmpfs small ${directory}`);
  await lab.waitFor("a complaint on /health", isSaid);
  await node.namespace.script(`umount ${directory}`);
  await addPeer(lab, "10.10.78.0/24");
  assert.deepEqual(await losses.end(), []);
  assert.deepEqual(await Array.fromAsync(Deno.readDir(node.namespace.path("/run/empty"))), []);
  await assertUnharmed(lab);
});

Deno.test("a link in status/ is replaced, and its target left alone", async () => {
  await using lab = await mesh(["berlin-1"]);
  const [node] = lab.nodes as [LabNode];
  const victim = `${lab.directory}/victim`;
  await Deno.writeTextFile(victim, "precious");
  await node.agent!.stop("SIGKILL");
  const status = `${lab.manifests.directory}/status/berlin-1.yaml`;
  await Deno.remove(status);
  await Deno.symlink(victim, status);
  await node.startAgent();
  await lab.waitFor("a file in its place", async () => (await Deno.lstat(status)).isFile);
  assert.equal(await Deno.readTextFile(victim), "precious");
});

/** Writes what is in the file once more, from its beginning, for more than a second. */
async function writeSlowly(path: string): Promise<void> {
  const bytes = await Deno.readFile(path);
  using file = await Deno.open(path, { write: true, truncate: true });
  for (let at = 0; at < bytes.length; at += 15) {
    await file.write(bytes.subarray(at, at + 15));
    await new Promise((resolve) => setTimeout(resolve, 70));
  }
}

/** Collects our routes that are deleted. */
function watchForLosses({ namespace }: LabNode) {
  const child = namespace.spawn(["ip", "monitor", "route"], { stdout: "piped", stderr: "null" });
  const text = new Response(child.stdout).text();
  return {
    async end(): Promise<string[]> {
      child.kill("SIGTERM");
      const lines = (await text).split("\n");
      return lines.filter((line) => line.startsWith("Deleted") && line.includes("proto 107"));
    },
  };
}
