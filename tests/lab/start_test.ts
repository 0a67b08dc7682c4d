import assert from "node:assert/strict";
import { ask } from "./http.ts";
import { isUp, ourRoutes, wireGuardPeers } from "./kernel.ts";
import { Lab } from "./lab.ts";
import { nodeObject } from "./manifests.ts";
import { mesh, podsReach, stands } from "./mesh.ts";
import type { LabNode } from "./node.ts";
import { changes } from "./snapshot.ts";
import { addWireGuard } from "./wireguard.ts";
import { only, THREE_LOCATIONS } from "./world.ts";

function alone(): Promise<Lab> {
  return Lab.create({ world: only(THREE_LOCATIONS, ["berlin-1"]) });
}

Deno.test("a command line that makes no sense ends with code 1 and one line that says why", async () => {
  await using lab = await alone();
  const [node] = lab.nodes as [LabNode];
  const before = await node.snapshot();
  const wrong = [
    [["--mtu=huge"], /"huge" for "--mtu"/],
    [["--port=65536"], /"65536" for "--port"/],
    [["--subnet=10.4.0.0"], /"10\.4\.0\.0" for "--subnet"/],
    [["--resync-period=30"], /"30" for "--resync-period"/],
    [["--encapsulate=sometimes"], /"sometimes" for "--encapsulate"/],
    [["--no-such-flag"], /--no-such-flag/],
    [["--cni", "false"], /unknown command "false" for "kg"/],
    [["--backend=kubernetes"], /--backend-path needs --backend file/],
    [["--interface=much-too-long-for-one"], /"--interface".*15 bytes/],
  ] as const;
  for (const [words, what] of wrong) {
    const { code, stdout, stderr } = await node.runKg(words);
    assert.equal(code, 1, `${words}`);
    assert.equal(stdout, "", `${words}`);
    assert.match(stderr, /^Error: [^\n]+\n$/, `${words}`);
    assert.match(stderr, what, `${words}`);
  }
  assert.equal(changes(before, await node.snapshot()), "");
});

async function deviceKey(node: LabNode): Promise<string> {
  return (await node.exec(["wg", "show", "kilo0", "public-key"])).trim();
}

Deno.test("the private key is made once, for root alone, and stays", async () => {
  await using lab = await mesh(["berlin-1"]);
  const [node] = lab.nodes as [LabNode];
  const { key } = await node.status();
  await lab.waitFor("the device has it", async () => await deviceKey(node) === key);
  const modes = await node.exec(["stat", "-c", "%a", "/var/lib/kilo", "/var/lib/kilo/key"]);
  assert.equal(modes, "700\n600\n");
  const text = await node.exec(["cat", "/var/lib/kilo/key"]);
  assert.equal(await node.exec(["wg", "pubkey"], text), `${key}\n`);
  await node.agent!.stop();
  await node.startAgent();
  await lab.waitFor("the same key", async () => (await node.status()).key === key);
  assert.ok(!node.agent!.output.includes(text), "it is in no log");
});

Deno.test("a key file that nobody can read is kept aside", async () => {
  await using lab = await alone();
  const [node] = lab.nodes as [LabNode];
  await node.exec(["mkdir", "/var/lib/kilo"]);
  await node.exec(["tee", "/var/lib/kilo/key"], "this was a key\n");
  await node.startAgent();
  const key = await lab.waitFor("a new key", async () => (await node.status()).key);
  await lab.waitFor("the device has it", async () => await deviceKey(node) === key);
  const aside = await node.exec(["cat", "/var/lib/kilo/key.unusable-1"]);
  assert.equal(aside, "this was a key\n");
  const reported = node.agent!.log.filter(({ level, msg }) =>
    level === "warn" && /unusable-1/.test(msg)
  );
  assert.equal(reported.length, 1);
});

Deno.test("a second agent on the interface is refused and does the first no harm", async () => {
  await using lab = await mesh(["berlin-1", "tokyo-1"]);
  const [node] = lab.nodes as [LabNode];
  const before = await node.snapshot();
  for (const words of [[], ["clean-up"]]) {
    const { code, stderr } = await node.runKg(words);
    assert.equal(code, 1);
    assert.equal(stderr, "Error: another agent already runs on interface kilo0 of this machine\n");
  }
  assert.equal(changes(before, await node.snapshot()), "");
  assert.equal(node.agent!.ended, undefined);
  assert.ok((await node.status()).key, "its annotations are still there");
});

Deno.test("a second agent on another interface is refused and does the first no harm", async () => {
  await using lab = await mesh(["berlin-1", "tokyo-1"]);
  const [node] = lab.nodes as [LabNode];
  await addWireGuard(node.namespace, "kilo1");
  const before = await node.snapshot();
  for (const words of [[], ["clean-up"]]) {
    const { code, stderr } = await node.runKg([...words, "--interface=kilo1", "--port=51821"]);
    assert.equal(code, 1);
    assert.equal(
      stderr,
      "Error: another agent already runs on this machine, on interface kilo0: " +
        "the two would remove each other's routes\n",
    );
  }
  assert.equal(changes(before, await node.snapshot()), "");
  assert.equal(node.agent!.ended, undefined);
});

Deno.test("who is not root cannot keep an agent from starting by its lock", async () => {
  await using lab = await Lab.create({ world: only(THREE_LOCATIONS, ["berlin-1", "tokyo-1"]) });
  const [node] = lab.nodes as [LabNode];
  const names = ["kilo", "kilo/kilo0"];
  const perl = `use Socket; $< = $> = 65534; my @s; for my $n (qw(${names.join(" ")})) {
    socket(my $s, PF_UNIX, SOCK_STREAM, 0); bind($s, pack_sockaddr_un("\\0$n")) or die; push @s, $s }
    sleep 1000`;
  node.namespace.spawn(["perl", "-e", perl]);
  await lab.waitFor(
    "its lock is taken",
    async () => (await node.exec(["cat", "/proc/net/unix"])).includes("@kilo/kilo0"),
  );
  for (const each of lab.nodes) await each.startAgent();
  await lab.waitFor("the mesh stands", () => stands(lab.nodes));
  const { warnings } = JSON.parse((await ask(node.namespace, "/health")).body);
  assert.deepEqual(
    warnings.map(({ code, subject }: { code: string; subject: string }) => [code, subject]).sort(),
    names.map((name) => ["lock", `@${name}`]),
  );
  const { code, stderr } = await node.runKg([]);
  assert.equal(code, 1);
  assert.match(stderr, /another agent already runs on interface kilo0/);
});

Deno.test("without a pod subnet kg waits for one and touches nothing", async () => {
  await using lab = await Lab.create({ world: only(THREE_LOCATIONS, ["berlin-1", "tokyo-1"]) });
  const [node, other] = lab.nodes as [LabNode, LabNode];
  await lab.objects.put({ ...nodeObject(node.spec), spec: {} });
  const before = await node.snapshot();
  await other.startAgent();
  await node.startAgent();
  await lab.waitFor(
    "it says what it waits for",
    () => node.agent!.log.some(({ level, msg }) => level === "warn" && /spec\.podCIDR/.test(msg)),
  );
  assert.equal(changes(before, await node.snapshot()), "");
  assert.deepEqual(await ourRoutes(other.namespace), [], "nobody counts with it");
  await lab.objects.put(nodeObject(node.spec));
  await lab.waitFor("the mesh stands", () => stands(lab.nodes));
});

Deno.test("a directory that is missing is told and waited for", async () => {
  await using lab = await alone();
  const [node] = lab.nodes as [LabNode];
  const { directory } = lab.manifests;
  await Deno.rename(directory, `${directory}-elsewhere`);
  await node.startAgent();
  const reported = () =>
    node.agent!.log.filter(({ level, msg }) =>
      level === "warn" && msg.startsWith(`${directory} cannot be listed`)
    );
  await lab.waitFor("it says what it waits for", () => reported().length > 0);
  await Deno.rename(`${directory}-elsewhere`, directory);
  await lab.waitFor("the mesh stands", () => stands(lab.nodes));
  assert.equal(reported().length, 1);
});

Deno.test("an interface that is missing is waited for, and used when it appears", async () => {
  await using lab = await alone();
  const [node] = lab.nodes as [LabNode];
  await node.startAgent({ flags: ["--create-interface=false", "--interface=wg7"] });
  await lab.waitFor(
    "it waits",
    () => node.agent!.log.some(({ level, msg }) => level === "warn" && msg.includes("wg7")),
  );
  await addWireGuard(node.namespace, "wg7");
  await lab.waitFor("it is used", () => isUp(node.namespace, "wg7"));
  assert.equal(node.agent!.ended, undefined);
  const addresses = await node.exec(["ip", "-o", "-4", "addr", "show", "wg7"]);
  assert.match(addresses, / 10\.4\.0\.1\/16 /);
  assert.ok(!await isUp(node.namespace, "kilo0"), "the other one is not touched");
});

Deno.test("when its own Node is deleted, kg keeps the mesh and says so", async () => {
  await using lab = await mesh(["berlin-1", "tokyo-1"]);
  const [node] = lab.nodes as [LabNode];
  await lab.waitFor("pods reach each other", () => podsReach(lab.nodes));
  const before = await node.snapshot();
  await lab.objects.delete("Node", node.name);
  await lab.waitFor(
    "it says so",
    () =>
      node.agent!.log.some(({ level, msg }) =>
        level === "warn" && msg.includes("there is no Node berlin-1")
      ),
  );
  assert.equal(changes(before, await node.snapshot()), "");
  await lab.objects.put(nodeObject(node.spec));
  await lab.waitFor("the mesh stands", () => stands(lab.nodes));
  assert.equal((await wireGuardPeers(node.namespace)).size, 1);
});
