import assert from "node:assert/strict";
import { BackendError } from "../../src/backend/backend.ts";
import { hasWriter } from "../../src/os/file.ts";
import { ANNOTATIONS } from "../../src/mesh/object.ts";
import { formatPrefix } from "../../src/net/prefix.ts";
import { KEY, node, peer, test, texts, World } from "../lab/manifest_world.ts";

const two = peer("a", "10.0.0.1/32") + "---\n" + peer("b", "10.0.0.2/32");
const encode = (text: string) => new TextEncoder().encode(text);
const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

test("hasWriter() knows whether anybody has a file open for writing", async () => {
  const path = await Deno.makeTempFile({ prefix: "ag-" });
  assert.equal(hasWriter(path), false);
  const writer = await Deno.open(path, { append: true });
  assert.equal(hasWriter(path), true);
  const second = await Deno.open(path, { append: true });
  writer.close();
  assert.equal(hasWriter(path), true);
  second.close();
  assert.equal(hasWriter(path), false);
  assert.equal(hasWriter(`${path}.none`), undefined);
  await Deno.remove(path);
});

test("FileBackend takes nothing from a file that is open for writing, however long", async () => {
  await using world = await World.make({ "a.yaml": two, "n.yaml": node("n") });
  const backend = world.open();
  await backend.start(world.changed);
  const peers = () => [...backend.cluster().peers.keys()].join();
  const file = await Deno.open(`${world.path}/a.yaml`, { write: true, truncate: true });
  await file.write(encode(peer("a", "10.0.0.0/2"))); // whole YAML, and half of what comes
  await sleep(2500); // longer than where nothing tells of writers
  const other = await Deno.open(`${world.path}/a.yaml`, { append: true });
  other.close(); // another writer closes it, the first one goes on
  await world.write("c.yaml", peer("c", "10.0.0.3/32"));
  await world.until(() => peers().includes("c"));
  assert.equal(peers(), "a,b,c");
  const [allowed] = backend.cluster().peers.get("a")!.allowedIPs;
  assert.equal(formatPrefix(allowed!), "10.0.0.1/32");
  await file.write(encode("---\n" + peer("d", "10.0.0.4/32")));
  file.close();
  await world.until(() => peers() === "c,a,d" || peers() === "a,d,c");
  assert.deepEqual(texts(backend), []);
});

test("FileBackend says after a while that a file is still being written", async () => {
  await using world = await World.make({ "a.yaml": two });
  const backend = world.open();
  await backend.start(world.changed);
  using file = await Deno.open(`${world.path}/a.yaml`, { append: true });
  await file.write(encode("---\n"));
  await world.until(() => texts(backend).length > 0, 20_000);
  assert.match(texts(backend)[0]!, /a\.yaml is still being written; its last valid objects stay/);
});

test("FileBackend waits for a file that is written bit by bit, closed in between", async () => {
  await using world = await World.make({ "a.yaml": two });
  const backend = world.open();
  await backend.start(world.changed);
  const path = `${world.path}/a.yaml`;
  world.changes.length = 0;
  await Deno.writeTextFile(path, peer("a", "10.0.0.1/32"));
  await sleep(500);
  assert.deepEqual([[...backend.cluster().peers.keys()], world.changes], [["a", "b"], []]);
  await Deno.writeTextFile(path, "---\n" + peer("b", "10.0.0.9/32"), { append: true });
  await world.until(() => world.changes.length > 0);
  assert.deepEqual(world.changes, [{ nodes: [], peers: ["b"] }]);
  await Deno.writeTextFile(path, peer("a", "10.0.0.1/32")); // and this is all
  await world.until(() => backend.cluster().peers.size === 1);
});

test("FileBackend waits for the end of an object that was cut off at a line, and closed", async () => {
  const named = "kind: Node\nmetadata:\n  name: m\n";
  const cidr = "spec:\n  podCIDR: 10.42.0.0/24\n";
  const twoPeers = peer("a", "10.0.0.1/32") + "---\nkind: Peer\nmetadata:\n  name: b\nspec:\n" +
    "  allowedIPs: [10.0.0.2/32]\n";
  await using world = await World.make({
    "a.yaml": `${twoPeers}  publicKey: "${KEY}"\n`,
    "m.yaml": named + cidr,
  });
  const backend = world.open();
  await backend.start(world.changed);
  assert.equal(backend.cluster().peers.size, 2);
  world.changes.length = 0;
  await Deno.writeTextFile(`${world.path}/a.yaml`, twoPeers);
  await Deno.writeTextFile(`${world.path}/m.yaml`, named);
  await sleep(500);
  assert.deepEqual(world.changes, []);
  assert.equal(backend.cluster().peers.size, 2);
});

test("FileBackend sees at once what replaces a file", async () => {
  await using world = await World.make({ "a.yaml": two });
  const backend = world.open();
  await backend.start(world.changed);
  const start = performance.now();
  await world.write("a.yaml", peer("a", "10.0.0.1/32"));
  await world.until(() => backend.cluster().peers.size === 1);
  assert(performance.now() - start < 1500);
});

test("FileBackend takes no harm from what is no file", async () => {
  await using world = await World.make({ "a.yaml": two, "b.yaml": peer("x", "10.0.0.5/32") });
  const backend = world.open();
  await backend.start(world.changed);
  const { code } = await new Deno.Command("mkfifo", { args: [`${world.path}/fifo.yaml`] }).output();
  assert.equal(code, 0);
  await Deno.mkdir(`${world.path}/directory.yaml`);
  await Deno.symlink("/dev/zero", `${world.path}/device.yaml`);
  await Deno.symlink("nowhere", `${world.path}/nowhere.yaml`);
  await Deno.truncate(await fresh(`${world.path}/huge.yaml`), 10_000_000_000);
  await Deno.remove(`${world.path}/b.yaml`);
  await Deno.symlink("nowhere", `${world.path}/b.yaml`); // its objects stay
  await world.until(() => texts(backend).length === 6);
  assert.deepEqual([...backend.cluster().peers.keys()], ["a", "b", "x"]);
  assert.deepEqual(texts(backend).map((text) => text.replace(/.*\//, "")).sort(), [
    "b.yaml is a link to nothing; its last valid objects stay in force",
    "device.yaml is no file; it is ignored",
    "directory.yaml is no file; it is ignored",
    "fifo.yaml is no file; it is ignored",
    "huge.yaml is larger than 16 MiB; it is ignored",
    "nowhere.yaml is a link to nothing; it is ignored",
  ]);
});

async function fresh(path: string): Promise<string> {
  await Deno.writeTextFile(path, "");
  return path;
}

test("FileBackend.patchOwn() follows no link, and writes into nothing that is there", async () => {
  await using world = await World.make({ "n.yaml": node("n") });
  const backend = world.open();
  await backend.start(world.changed);
  const victim = `${world.root}/victim`, status = `${world.path}/status`, own = `${status}/n.yaml`;
  const isWritten = async () => {
    assert.equal(await Deno.readTextFile(victim), "precious");
    const info = await Deno.lstat(own);
    assert.deepEqual([info.isFile, info.isSymlink, info.mode! & 0o777], [true, false, 0o644]);
    assert.match(await Deno.readTextFile(own), /last-seen/);
  };
  await Deno.mkdir(status);
  await Deno.writeTextFile(victim, "precious", { mode: 0o600 });
  await Deno.symlink(victim, own);
  await backend.patchOwn({ [ANNOTATIONS.lastSeen]: "1" });
  await isWritten();
  assert.equal((await Deno.stat(victim)).mode! & 0o777, 0o600);
  await Deno.remove(own);
  await Deno.link(victim, own);
  await Deno.chmod(victim, 0o644);
  await backend.patchOwn({ [ANNOTATIONS.lastSeen]: "2" });
  await isWritten();
  await Deno.chmod(own, 0o640); // a person's choice
  await backend.patchOwn({ [ANNOTATIONS.lastSeen]: "3" });
  assert.equal((await Deno.lstat(own)).mode! & 0o777, 0o640);
  assert.deepEqual([...Deno.readDirSync(status)].map(({ name }) => name), ["n.yaml"]);

  await Deno.mkdir(`${world.root}/elsewhere`);
  await Deno.rename(status, `${world.root}/status`);
  await Deno.symlink(`${world.root}/elsewhere`, status);
  await assert.rejects(backend.patchOwn({ [ANNOTATIONS.lastSeen]: "4" }), BackendError);
  assert.deepEqual([...Deno.readDirSync(`${world.root}/elsewhere`)], []);
});

test("FileBackend reads no link in status/", async () => {
  await using world = await World.make({ "n.yaml": node("n"), "m.yaml": node("m") });
  await Deno.mkdir(`${world.path}/status`);
  await Deno.writeTextFile(`${world.root}/m`, node("m", { [ANNOTATIONS.key]: KEY }));
  await Deno.symlink(`${world.root}/m`, `${world.path}/status/m.yaml`);
  const backend = world.open();
  await backend.start(world.changed);
  assert.equal(backend.cluster().nodes.get("m")!.key, undefined);
  assert.match(texts(backend)[0]!, /status\/m\.yaml is a link, and not followed; it is ignored/);
});

test("FileBackend freezes while a directory that held objects is empty", async () => {
  await using world = await World.make({ "a.yaml": two, "n.yaml": node("n") });
  const backend = world.open();
  await backend.start(world.changed);
  for (const name of ["a.yaml", "n.yaml"]) await Deno.remove(`${world.path}/${name}`);
  await world.until(() => !backend.live);
  assert.deepEqual([...backend.cluster().nodes.keys()], ["n"]);
  assert(texts(backend).some((text) => /cluster cannot be listed.*it is empty/.test(text)));
  await world.write("a.yaml", peer("a", "10.0.0.7/32"));
  await world.write("n.yaml", node("n"));
  await world.until(() => backend.live && backend.cluster().peers.size === 1);
  assert.deepEqual([[...backend.cluster().peers.keys()], texts(backend)], [["a"], []]);
});

test("FileBackend sees at once that its directory was made again, with the same inode", async () => {
  await using world = await World.make({ "a.yaml": peer("a", "10.0.0.1/32") });
  const backend = world.open();
  await backend.start(world.changed);
  for (let round = 0; round < 5; round++) {
    await Deno.remove(world.path, { recursive: true });
    await Deno.mkdir(world.path);
    await world.write("a.yaml", peer(`b${round}`, "10.0.0.2/32"));
    await world.until(() => backend.cluster().peers.has(`b${round}`));
    await world.write("c.yaml", peer(`c${round}`, "10.0.0.3/32"));
    await world.until(() => backend.cluster().peers.has(`c${round}`));
  }
});

test("FileBackend keeps what others published while status/ is away or emptied", async () => {
  const files = { "n.yaml": node("n"), "m.yaml": node("m"), "o.yaml": node("o") };
  await using world = await World.make(files);
  const backend = world.open(), other = world.open("m");
  await Promise.all([backend, other].map((each) => each.start(world.changed)));
  await backend.patchOwn({ [ANNOTATIONS.key]: KEY });
  await other.patchOwn({ [ANNOTATIONS.key]: KEY });
  const key = () => backend.cluster().nodes.get("m")!.key;
  await world.until(() => key() === KEY);
  await Deno.remove(`${world.path}/status`, { recursive: true });
  await world.until(() => !backend.live);
  assert.equal(key(), KEY);
  await backend.patchOwn({ [ANNOTATIONS.endpoint]: "203.0.113.1:1" });
  await world.until(() => backend.live);
  assert.equal(key(), KEY);
  await other.patchOwn({ [ANNOTATIONS.endpoint]: "203.0.113.2:1" });
  await world.until(() => backend.cluster().nodes.get("m")!.endpoint !== undefined);
});
