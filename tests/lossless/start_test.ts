/** Flows that are older than the mesh live in it as others do: no connection is remembered wrongly. */

import assert from "node:assert/strict";
import { onEachBackend } from "../lab/backends.ts";
import { nodeObject } from "../lab/manifests.ts";
import type { Backend } from "../lab/objects.ts";
import { describe, type Fates, LATECOMERS, Mesh, pause, WORLD } from "./mesh.ts";
import type { Fate } from "./prober.ts";

const NODES = ["berlin-1", "berlin-2", "tokyo-1", "office-1"];

/** Milliseconds after which everything lives, once first packets have reached all. */
const ALIVE_WITHIN = 1000;

/** The same where a first packet of every single flow has arrived. */
const IN_SYNC_WITHIN = 300;

/** Milliseconds that no start from nothing may take, even on a machine that has other things to do. */
const COLD_WITHIN = 2000;

/** How many are measured: on two cores four agents at once do not start twice in the same order. */
const STARTS = 3;

onEachBackend(
  "flows begun before and during the start of a mesh live once it stands",
  async (_, backend) => {
    const times: number[] = [];
    while (times.length < STARTS) times.push(await measureStart(backend));
    const reported = times.map(Math.round).join(", ");
    console.log(
      `measured: from exec until all pods answer, cold (${backend.name}): ${reported} ms`,
    );
    assert.ok(Math.max(...times) < COLD_WITHIN);
  },
);

/** Milliseconds from exec until all packets between pods arrive; nothing else is sent, nor polled for. */
async function measureStart(backend: Backend): Promise<number> {
  await using mesh = await Mesh.create({ backend });
  let began = 0;
  let stoodAt = Infinity;
  const fates = await mesh.during(
    "all agents started from nothing, lost until the mesh stands",
    { ends: mesh.pods(...NODES), affected: NODES },
    async (prober) => {
      began = prober.elapsed;
      await mesh.startAgents(...NODES);
      await prober.alive();
      stoodAt = prober.elapsed;
    },
  );
  assertAlive(fates, { since: stoodAt + IN_SYNC_WITHIN });
  return aliveAt(fates) - began;
}

for (const name of LATECOMERS) {
  onEachBackend(`flows begun before ${name} joins live once it has`, async (_, backend) => {
    await using mesh = await Mesh.create({ backend, world: WORLD, latecomers: LATECOMERS });
    const { lab } = mesh;
    await mesh.start(...NODES);
    let stoodAt = Infinity;
    const fates = await mesh.during(
      `flows older than ${name}'s joining, lost until it has joined`,
      { ends: mesh.pods(...NODES, name), affected: [name], cut: [name] },
      async (prober) => {
        await lab.objects.put(nodeObject(lab.node(name).spec));
        await mesh.start(name);
        stoodAt = prober.elapsed;
        await pause(ALIVE_WITHIN);
      },
    );
    fates.without(name).assertLossless();
    assertAlive(fates.with(name), { since: stoodAt + ALIVE_WITHIN });
  });
}

onEachBackend("flows begun before a Peer is added live once it is", async (_, backend) => {
  await using mesh = await Mesh.create({ backend });
  await mesh.start(...NODES);
  // For the prober to send from; its interface comes when it is configured.
  const { namespace, address } = mesh.laptop;
  await namespace.exec(["ip", "address", "add", address, "dev", "lo"]);
  let stoodAt = Infinity;
  const fates = await mesh.during(
    "flows older than the laptop, lost until it is added",
    { ends: [...mesh.pods(), mesh.laptop], affected: ["laptop"], cut: ["laptop"] },
    async (prober) => {
      await mesh.addLaptop();
      stoodAt = prober.elapsed;
      await pause(ALIVE_WITHIN);
    },
  );
  fates.without("laptop").assertLossless();
  assertAlive(fates.with("laptop"), { since: stoodAt + ALIVE_WITHIN });
});

/** When the last packet was lost between pods, in milliseconds of the prober. */
function aliveAt(fates: Fates): number {
  const { all } = fates.where(({ to }) => to.name !== "outside");
  return Math.max(...all.flatMap(({ gaps }) => gaps.map(({ at, length }) => at + length)));
}

/** Loses nothing from that time on, in milliseconds of the prober, and bears its own address. */
function assertAlive(fates: Fates, { since }: { readonly since: number }): void {
  // Outside is left out: what was begun before anybody masqueraded goes on unmasqueraded.
  const isDead = ({ foreign, gaps }: Fate) =>
    foreign > 0 || gaps.some(({ at, length }) => at + length > since);
  const dead = fates.where((fate) => fate.to.name !== "outside" && isDead(fate)).all;
  assert.equal(dead.length, 0, `alive from ${since} ms on?\n${dead.map(describe).join("\n")}`);
}
