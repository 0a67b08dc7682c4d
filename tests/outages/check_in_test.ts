/** Who checks in is a member, whatever its clock says; who is dead is none after a minute. */

import assert from "node:assert/strict";
import { generatePrivateKey, publicKeyOf } from "../../src/wireguard/key.ts";
import { onOwnCluster } from "../lab/backends.ts";
import { ourRoutes } from "../lab/kernel.ts";
import { Lab } from "../lab/lab.ts";
import { type NodeManifest, nodeObject } from "../lab/manifests.ts";
import { stands } from "../lab/mesh.ts";
import type { LabNode } from "../lab/node.ts";
import { waitFor } from "../lab/wait.ts";
import { only, THREE_LOCATIONS } from "../lab/world.ts";

const HOUR = 3600;

/** Seconds after its last check-in: when a dead node shall go, and when it shall be gone. */
const STALE_AFTER = 60;
const GONE_AFTER = 65;

/** Milliseconds between the check-ins of nodes that are there in name only. */
const PERIOD = 10_000;

/** What an agent would make of its Node, if its clock were so many seconds ahead. */
function checkedIn(phantom: Phantom): NodeManifest {
  const { name, podCIDR, key, ahead } = phantom;
  const spec = { name, podCIDR, location: name, site: "", addresses: [] };
  const lastSeen = Math.floor(Date.now() / 1000) + ahead;
  return nodeObject(spec, { endpoint: "192.0.2.99:51820", key, "last-seen": `${lastSeen}` });
}

interface Phantom {
  readonly name: string;
  readonly podCIDR: string;
  readonly key: string;
  readonly ahead: number;
}

async function newKey(): Promise<string> {
  return await publicKeyOf(generatePrivateKey());
}

const TITLE = "a dead node leaves the mesh after a minute; others' clocks may say what they like";

onOwnCluster(TITLE, async (_, backend) => {
  const world = only(THREE_LOCATIONS, ["berlin-1", "tokyo-1"]);
  await using lab = await Lab.create({ world, backend });
  const [node, dead] = lab.nodes as [LabNode, LabNode];
  await Promise.all(lab.nodes.map((each) => each.startAgent()));
  await lab.waitFor("the mesh stands", () => stands(lab.nodes));
  const fast = { name: "fast", podCIDR: "10.42.8.0/24", key: await newKey(), ahead: 5 * HOUR };
  const slow = { name: "slow", podCIDR: "10.42.9.0/24", key: await newKey(), ahead: -5 * HOUR };
  const checkIn = async () => {
    for (const phantom of [fast, slow]) await lab.objects.put(checkedIn(phantom));
  };
  const reaches = async (...members: readonly { readonly podCIDR: string }[]) => {
    const routes = await ourRoutes(node.namespace);
    return members.every(({ podCIDR }) => routes.some((line) => line.startsWith(`${podCIDR} `)));
  };

  await checkIn();
  await dead.agent!.stop("SIGKILL");
  const lastSeen = Number((await dead.status())["last-seen"]);
  await lab.waitFor("the one whose clock is fast", () => reaches(fast));
  assert.ok(!await reaches(slow), "at first sight it looks long dead");
  await lab.waitFor("it checks in again, which proves that it lives", async () => {
    await checkIn();
    return await reaches(slow);
  });
  let next = performance.now() + PERIOD;
  const absences: number[] = [];
  await waitFor("the dead one is gone", async () => {
    if (!await reaches(fast, slow)) absences.push(Date.now());
    if (performance.now() > next) {
      next += PERIOD;
      await checkIn();
    }
    return !await reaches(dead.spec);
  }, { timeout: 2 * STALE_AFTER * 1000, interval: 100 });
  const seconds = Date.now() / 1000 - lastSeen;
  console.log(`measured: a dead node is gone ${seconds.toFixed(1)} s after its last check-in`);
  assert.ok(seconds >= STALE_AFTER && seconds < GONE_AFTER, `${seconds} s`);
  assert.deepEqual(absences, [], "the others stay all the time");

  await dead.startAgent();
  await lab.waitFor("it is a member again", () => stands(lab.nodes));
});
