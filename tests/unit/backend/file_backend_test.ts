import assert from "node:assert/strict";
import { BackendError } from "../../../src/backend/backend.ts";
import { ANNOTATIONS } from "../../../src/mesh/object.ts";
import { formatEndpoint } from "../../../src/net/endpoint.ts";
import { KEY, node, peer, test, texts, World } from "../../lab/manifest_world.ts";

test("FileBackend.start() resolves with everything that is there", async () => {
  await using world = await World.make({
    "nodes.json": `{"kind":"List","items":[${node("n")},${node("m")}]}`,
    "a.yml": peer("a", "10.0.0.1/32") + "---\n" + peer("b", "10.0.0.2/32"),
    ".hidden.yaml": peer("hidden", "10.0.0.3/32"),
    "notes.txt": "hello",
  });
  const backend = world.open();
  assert.equal(backend.live, false);
  await backend.start(world.changed);
  const { nodes, peers, own, problems } = backend.cluster();
  assert.deepEqual([[...nodes.keys()], [...peers.keys()]], [["n", "m"], ["a", "b"]]);
  assert.deepEqual([own, problems, backend.live, backend.relists], [{}, [], true, 0]);
});

test("FileBackend.start() does not leave out a file that is written meanwhile", async () => {
  for (let round = 0; round < 60; round++) {
    await using world = await World.make();
    const backend = world.open();
    const file = await Deno.create(`${world.path}/a.json`);
    await file.write(new TextEncoder().encode('{"kind":"Node","metadata":{"name":"a"}}'));
    const complete = backend.start(world.changed);
    for (let n = 0; n < round % 15; n++) await Deno.stat("/"); // closed at some moment of its start
    file.close();
    await complete;
    assert.deepEqual([...backend.cluster().nodes.keys()], ["a"], `round ${round}`);
  }
});

test("FileBackend follows files as they come, change and go", async () => {
  await using world = await World.make({ "a.yaml": peer("a", "10.0.0.1/32") });
  const backend = world.open();
  await backend.start(world.changed);
  const peers = () => [...backend.cluster().peers.keys()].join();
  world.changes.length = 0;
  await world.write("b.yaml", peer("b", "10.0.0.2/32"));
  await world.until(() => peers() === "a,b");
  assert.deepEqual(world.changes, [{ nodes: [], peers: ["b"] }]);
  await Deno.writeTextFile(`${world.path}/b.yaml`, peer("c", "10.0.0.2/32")); // in place
  await world.until(() => peers() === "a,c");
  await Deno.remove(`${world.path}/a.yaml`);
  await world.until(() => peers() === "c");
  await world.write("d.yaml", peer("d", "10.0.0.4/32"));
  await Deno.rename(`${world.path}/b.yaml`, `${world.path}/.b.yaml`);
  await world.until(() => peers() === "d");
});

test("FileBackend makes few changes of a burst", async () => {
  await using world = await World.make();
  const backend = world.open();
  await backend.start(world.changed);
  world.changes.length = 0;
  const names = Array.from({ length: 50 }, (_, at) => `p${at}`);
  for (const [at, name] of names.entries()) {
    Deno.writeTextFileSync(`${world.path}/${name}.yaml`, peer(name, `10.0.0.${at}/32`));
  }
  await world.until(() => backend.cluster().peers.size === 50);
  assert(world.changes.length < 25, `${world.changes.length} changes`);
});

test("FileBackend keeps the last valid objects of a broken file, and names the line", async () => {
  await using world = await World.make({ "a.yaml": peer("a", "10.0.0.1/32") });
  const backend = world.open();
  await backend.start(world.changed);
  await world.write("a.yaml", "kind: Peer\nmetadata: {\n");
  await world.write("b.yaml", peer("b", "10.0.0.2/32"));
  await world.until(() => backend.cluster().peers.size === 2 && texts(backend).length === 1);
  assert.match(texts(backend)[0]!, /\/a\.yaml:3: .*; its last valid objects stay in force$/);
  await world.write("a.yaml", "");
  await world.until(() => texts(backend)[0]?.includes("the file is empty") ?? false);
  assert.equal(backend.cluster().peers.size, 2);
  await world.write("a.yaml", peer("a", "10.0.0.9/32"));
  await world.until(() => texts(backend).length === 0);
});

test("FileBackend says that a file cannot be read and goes on", async () => {
  await using world = await World.make({ "a.yaml": peer("a", "10.0.0.1/32") });
  await Deno.symlink("loop.yaml", `${world.path}/loop.yaml`);
  const backend = world.open();
  await backend.start(world.changed);
  assert.equal(backend.cluster().peers.size, 1);
  assert.match(texts(backend)[0]!, /loop\.yaml cannot be read: /);
});

test("FileBackend.patchOwn() is seen by every agent, and away when nothing is left", async () => {
  await using world = await World.make({ "n.yaml": node("n"), "m.yaml": node("m") });
  const own = world.open("n"), other = world.open("m");
  await Promise.all([own.start(world.changed), other.start(world.changed)]);
  const seen = () => other.cluster().nodes.get("n")?.endpoint;
  await own.patchOwn({ [ANNOTATIONS.endpoint]: "203.0.113.1:1", [ANNOTATIONS.lastSeen]: "7" });
  assert.equal(own.cluster().own?.[ANNOTATIONS.endpoint], "203.0.113.1:1");
  await world.until(() => seen() !== undefined);
  assert.equal(formatEndpoint(seen()!), "203.0.113.1:1");
  await own.patchOwn({ [ANNOTATIONS.endpoint]: "203.0.113.2:1", [ANNOTATIONS.key]: null });
  await world.until(() => formatEndpoint(seen()!) === "203.0.113.2:1");
  assert.deepEqual(await Array.fromAsync(Deno.readDir(`${world.path}/status`), (e) => e.name), [
    "n.yaml",
  ]);
  await own.patchOwn({ [ANNOTATIONS.endpoint]: null, [ANNOTATIONS.lastSeen]: null });
  await world.until(() => seen() === undefined);
  assert.deepEqual(own.cluster().own, {});
  assert.deepEqual(await Array.fromAsync(Deno.readDir(`${world.path}/status`)), []);
});

test("FileBackend does not wait to see the first status in a directory of many files", async () => {
  const files = Array.from(
    { length: 1000 },
    (_, i) => [`p${i}.yaml`, peer(`p${i}`, "10.0.0.1/32")],
  );
  await using world = await World.make({ "n.json": node("n"), ...Object.fromEntries(files) });
  const watching = world.open();
  await watching.start(world.changed);
  await using other = await World.make({ "n.json": node("n") });
  const publishing = other.open();
  await publishing.start(() => {});
  await publishing.patchOwn({ [ANNOTATIONS.key]: KEY });
  const start = performance.now();
  await Deno.rename(`${other.path}/status`, `${world.path}/status`);
  await world.until(() => watching.cluster().own?.[ANNOTATIONS.key] === KEY);
  const took = performance.now() - start;
  assert.ok(took < 1000, `${took} ms`);
});

test("FileBackend.patchOwn() changes nothing where a person's endpoint stands", async () => {
  const person = { [ANNOTATIONS.endpoint]: "vpn.example:1" };
  await using world = await World.make({ "n.yaml": node("n", person) });
  const backend = world.open();
  await backend.start(world.changed);
  world.changes.length = 0;
  await backend.patchOwn({ [ANNOTATIONS.endpoint]: "203.0.113.1:1" });
  assert.deepEqual([backend.cluster().own, world.changes], [person, []]);
});

test("FileBackend.patchOwn() rejects when there is no such Node", async () => {
  await using world = await World.make({ "m.yaml": node("m") });
  const backend = world.open();
  await backend.start(world.changed);
  await assert.rejects(backend.patchOwn({ [ANNOTATIONS.lastSeen]: "7" }), (error) => {
    assert(error instanceof BackendError);
    assert.match(error.message, /Node "n"/);
    return true;
  });
  await backend.patchOwn({ [ANNOTATIONS.lastSeen]: null }); // nothing to take away is fine
});

test("FileBackend waits for a directory that is not there yet", async () => {
  await using world = await World.make();
  await Deno.remove(world.path);
  const backend = world.open();
  const started = backend.start(world.changed);
  await world.until(() => texts(backend).length > 0);
  assert.match(texts(backend)[0]!, /cluster cannot be listed/);
  await Deno.mkdir(world.path);
  await world.write("a.yaml", peer("a", "10.0.0.1/32"));
  await started;
  assert.deepEqual([backend.cluster().peers.size, texts(backend), backend.relists], [1, [], 0]);
});

test("FileBackend keeps what it knows while the directory is away", async () => {
  await using world = await World.make({ "a.yaml": peer("a", "10.0.0.1/32") });
  const backend = world.open();
  await backend.start(world.changed);
  await Deno.rename(world.path, `${world.path}.away`);
  await world.until(() => !backend.live);
  assert.equal(backend.cluster().peers.size, 1);
  await Deno.mkdir(world.path);
  await world.write("b.yaml", peer("b", "10.0.0.2/32"));
  await world.until(() => backend.live);
  assert.deepEqual([[...backend.cluster().peers.keys()], backend.relists], [["b"], 1]);
  await world.write("c.yaml", peer("c", "10.0.0.3/32")); // the new directory is watched
  await world.until(() => backend.cluster().peers.has("c"));
});

test("FileBackend takes no file for deleted while the directory is away", async () => {
  await using world = await World.make({
    "a.yaml": peer("a", "10.0.0.1/32"),
    "n.yaml": node("n"),
  });
  const backend = world.open();
  await backend.start(world.changed);
  await Deno.rename(world.path, `${world.path}.away`);
  // Seen by the watch, which follows a directory wherever it goes.
  await Deno.utime(`${world.path}.away/a.yaml`, new Date(), new Date());
  await world.until(() => !backend.live);
  assert.equal(backend.cluster().peers.size, 1);
  await assert.rejects(backend.patchOwn({ [ANNOTATIONS.lastSeen]: "1" }), BackendError);
  await assert.rejects(Deno.stat(world.path), Deno.errors.NotFound);
  await Deno.rename(`${world.path}.away`, world.path);
  await world.until(() => backend.live);
  assert.deepEqual([backend.cluster().peers.size, texts(backend)], [1, []]);
});

test("FileBackend looks through everything at each resync", async () => {
  await using world = await World.make();
  await Deno.mkdir(`${world.root}/elsewhere`);
  await Deno.writeTextFile(`${world.root}/elsewhere/a.yaml`, peer("a", "10.0.0.1/32"));
  await Deno.symlink(`${world.root}/elsewhere/a.yaml`, `${world.path}/a.yaml`);
  const backend = world.open("n", 50);
  await backend.start(world.changed);
  await Deno.writeTextFile(`${world.root}/elsewhere/a.yaml`, peer("b", "10.0.0.1/32")); // no event
  await world.until(() => backend.cluster().peers.has("b"));
});

test("FileBackend reads a list of 5,000 Peers in a fraction of a second", async () => {
  const items = Array.from({ length: 5000 }, (_, at) => ({
    apiVersion: "kilo.squat.ai/v1alpha1",
    kind: "Peer",
    metadata: { name: `peer-${at}` },
    spec: {
      allowedIPs: [`10.${at >> 8}.${at & 255}.1/32`, `10.${at >> 8}.${at & 255}.2/32`],
      publicKey: crypto.getRandomValues(new Uint8Array(32)).toBase64(),
      persistentKeepalive: 10,
    },
  }));
  await using world = await World.make({ "p.json": JSON.stringify({ kind: "List", items }) });
  const backend = world.open();
  const start = performance.now();
  await backend.start(world.changed);
  const took = performance.now() - start;
  console.log(`5,000 Peers: ${Math.round(took)} ms`);
  assert.equal(backend.cluster().peers.size, 5000);
  assert(took < 1000, `${took} ms`);
});
