/** What becomes of this node's own object: made again, claimed by two machines, gone. */

import assert from "node:assert/strict";
import { generatePrivateKey, publicKeyOf } from "../../src/wireguard/key.ts";
import { onEachBackend, onOwnCluster } from "./backends.ts";
import { ourRoutes, wireGuardPeers } from "./kernel.ts";
import { Lab } from "./lab.ts";
import { nodeObject } from "./manifests.ts";
import { mesh, podsReach, stands } from "./mesh.ts";
import type { LabNode } from "./node.ts";
import { waitFor } from "./wait.ts";
import { only, THREE_LOCATIONS } from "./world.ts";

/** Nothing happens by itself meanwhile. */
const NO_RESYNC = ["--resync-period=1h"];
const CONFLIST = "/etc/cni/net.d/10-kilo.conflist";

onEachBackend(
  "a Node that is made again with another pod CIDR has it in its CNI list with the same event",
  async (_, backend) => {
    await using lab = await mesh(["berlin-1", "tokyo-1"], { backend, flags: NO_RESYNC });
    const [berlin, tokyo] = lab.nodes as [LabNode, LabNode];
    const podCIDR = "10.42.77.0/24";
    await lab.objects.delete("Node", berlin.name);
    await lab.objects.put({ ...nodeObject(berlin.spec), spec: { podCIDR } });
    await lab.waitFor("the others' routes", async () => {
      return (await ourRoutes(tokyo.namespace)).some((line) => line.startsWith(`${podCIDR} `));
    });
    await lab.waitFor("the list", async () => {
      return (await berlin.exec(["cat", CONFLIST])).includes(`"${podCIDR}"`);
    }, { timeout: 3000 });
  },
);

onEachBackend(
  "two machines of one name are both told of it, and put their own key back ever more seldom",
  async (_, backend) => {
    const world = only(THREE_LOCATIONS, ["berlin-1", "berlin-2"]);
    await using lab = await Lab.create({ world, backend });
    const [node, clone] = lab.nodes as [LabNode, LabNode];
    await node.startAgent();
    await lab.waitFor("it is published", async () => (await node.status()).key);
    await clone.startAgent({ flags: [`--hostname=${node.name}`] });
    const isReported = ({ agent }: LabNode) =>
      agent!.log.some(({ msg }) =>
        /keeps writing to Node "berlin-1": it has key .{6}… and endpoint .* this machine key .{6}…/
          .test(msg)
      );
    await lab.waitFor("both say so", () => isReported(node) && isReported(clone), {
      timeout: 90_000,
    });
    let key = "", changes = 0;
    const end = performance.now() + 9000;
    await waitFor("a while to pass", async () => {
      const now = (await node.status()).key ?? key;
      if (now !== key) changes++;
      key = now;
      return performance.now() > end;
    });
    assert.ok(changes <= 5, `${changes} other keys in 9 s`);
  },
);

onOwnCluster(
  "kg clean-up succeeds where the Node is deleted, and the kind of Peers too",
  async (_, backend) => {
    await using lab = await mesh(["berlin-1"], { backend });
    const [node] = lab.nodes as [LabNode];
    await node.agent!.stop("SIGKILL");
    await lab.objects.delete("Node", node.name);
    const gone = await node.runKg(["clean-up"]);
    assert.deepEqual([gone.code, gone.stderr], [0, ""], gone.stdout);
    await backend.server.kubectl(["delete", "crd", "peers.kilo.squat.ai"]);
    const start = performance.now();
    const bare = await node.runKg(["clean-up"]);
    assert.deepEqual([bare.code, bare.stderr], [0, ""], bare.stdout);
    assert.ok(performance.now() - start < 5000, "there is nothing to be waited for");
  },
);

Deno.test("what is remembered of what was published is on disk, directory and all, before it counts", async () => {
  await using lab = await Lab.create({ world: only(THREE_LOCATIONS, ["berlin-1"]) });
  const [node] = lab.nodes as [LabNode];
  const file = `${lab.directory}/trace`;
  await node.startAgent({
    trace: { calls: "fsync,fdatasync,rename,renameat,renameat2", file },
  });
  await lab.waitFor("it is published", async () => (await node.status()).key);
  await node.agent!.stop("SIGKILL");
  const calls = (await Deno.readTextFile(file)).split("\n");
  const at = (pattern: RegExp) => calls.findIndex((line) => pattern.test(line));
  const written = at(/f(data)?sync\(\d+<.*\/published\.json\.new>/);
  const renamed = at(/rename.*published\.json\.new".*published\.json"/);
  const directory = calls.findIndex((line, n) =>
    n > renamed && /f(data)?sync\(\d+<[^>]*\/kilo>/.test(line)
  );
  assert.ok(written >= 0 && written < renamed && renamed < directory, calls.join("\n"));
});

Deno.test("a leftover Node with a live one's pod CIDR is not trusted after a restart", async () => {
  await using lab = await mesh(["berlin-1", "tokyo-1"]);
  const [berlin, tokyo] = lab.nodes as [LabNode, LabNode];
  const key = await publicKeyOf(generatePrivateKey());
  const day = Math.floor(Date.now() / 1000) - 86_400;
  const leftover = { endpoint: "192.0.2.99:51820", key, "last-seen": `${day}` };
  await lab.objects.put(nodeObject({ ...tokyo.spec, name: "tokyo-0" }, leftover));
  await berlin.agent!.stop("SIGKILL");
  const { "last-seen": before = "" } = await berlin.status();
  await lab.waitFor("the clock to show another second", () => Date.now() / 1000 > +before + 1);
  await berlin.startAgent();
  await lab.waitFor("it is there again", async () => {
    assert.ok(!(await wireGuardPeers(berlin.namespace)).has(key), "the leftover leads");
    return (await berlin.status())["last-seen"] !== before;
  });
  assert.ok(!(await wireGuardPeers(berlin.namespace)).has(key));
  assert.ok(await stands(lab.nodes));
  await lab.waitFor("pods reach each other", () => podsReach(lab.nodes));
});
