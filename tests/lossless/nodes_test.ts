/** Nodes come, go and move; whoever is not meant loses nothing, and who is meant is back at once. */

import assert from "node:assert/strict";
import { onEachBackend } from "../lab/backends.ts";
import { nodeObject } from "../lab/manifests.ts";
import { podsReach } from "../lab/mesh.ts";
import type { Backend } from "../lab/objects.ts";
import { type Fates, LATECOMERS, Mesh, pause, WORLD } from "./mesh.ts";

const NODES = ["berlin-1", "berlin-2", "tokyo-1", "office-1"];

/** Milliseconds in which traffic is back that the change itself must cut. */
const BACK_WITHIN = 1000;

/** A mesh in which the agents have told each other how those behind NAT are reached. */
async function meshInSync(backend: Backend): Promise<Mesh> {
  const mesh = await Mesh.create({ backend });
  await mesh.start(...NODES);
  await mesh.lab.waitFor("office-1 is found behind its NAT", async () => {
    const found = await mesh.lab.node("tokyo-1").status();
    return found["discovered-endpoints"]?.includes("192.0.2.10");
  });
  return mesh;
}

/** Changes Node objects while packets flow between the pods of all nodes in the mesh. */
async function change(
  mesh: Mesh,
  what: string,
  { cut, put = [], remove = [] }: {
    /** Those whose traffic the change itself cuts. */
    readonly cut: readonly string[];
    /** Names, and what is different about these nodes. */
    readonly put?: readonly (readonly [name: string, annotations: Record<string, string>])[];
    readonly remove?: readonly string[];
  },
): Promise<Fates> {
  const { lab } = mesh;
  return await mesh.during(what, { ends: mesh.pods(), affected: NODES, cut }, async () => {
    for (const [name, annotations] of put) {
      await lab.objects.put(nodeObject(lab.node(name).spec, annotations));
    }
    for (const name of remove) await lab.objects.delete("Node", name);
    await pause(100);
    const inMesh = lab.nodes.filter(({ name, agent }) => agent && !remove.includes(name));
    await lab.waitFor("pods reach each other", () => podsReach(inMesh));
    await pause(1000);
  });
}

function assertBack(fates: Fates): void {
  assert.ok(fates.longestGap <= BACK_WITHIN, `${fates}`);
}

for (const name of LATECOMERS) {
  onEachBackend(`${name} comes and goes, and the others lose nothing`, async (t, backend) => {
    await using mesh = await Mesh.create({ backend, world: WORLD, latecomers: LATECOMERS });
    const { lab } = mesh;
    await mesh.start(...NODES);
    await t.step("comes", async () => {
      const fates = await mesh.during(
        `${name} added`,
        { ends: mesh.pods(...NODES), affected: NODES },
        async () => {
          await lab.objects.put(nodeObject(lab.node(name).spec));
          await mesh.start(name);
        },
      );
      fates.assertLossless();
    });
    await t.step("goes", async () => {
      const fates = await change(mesh, `${name} removed`, { cut: [name], remove: [name] });
      fates.without(name).assertLossless();
      assert.equal(fates.wrong, 0, "nobody's address changes before the way is gone");
    });
  });
}

onEachBackend("a node's keepalive costs nobody anything", async (t, backend) => {
  await using mesh = await meshInSync(backend);
  for (const seconds of ["7", ""]) {
    const what = seconds === "" ? "tokyo-1 without keepalive" : `tokyo-1 with ${seconds} s`;
    await t.step(what, async () => {
      const fates = await change(mesh, what, {
        cut: [],
        put: [["tokyo-1", { "persistent-keepalive": seconds }]],
      });
      fates.assertLossless();
      const reported = await mesh.lab.node("tokyo-1").exec(["wg", "show", "kilo0", "dump"]);
      const desired = seconds === "" ? "off" : seconds;
      for (const line of reported.trim().split("\n").slice(1)) {
        assert.equal(line.split("\t").at(-1), desired);
      }
    });
  }
});

onEachBackend("a node that changes its location costs the others nothing", async (t, backend) => {
  await using mesh = await meshInSync(backend);
  await t.step("to one of its own", async () => {
    const fates = await change(mesh, "berlin-2, no leader, moved to a location of its own", {
      cut: ["berlin-2"],
      put: [["berlin-2", { location: "lima" }]],
    });
    fates.without("berlin-2").assertLossless();
    assertBack(fates);
  });
  await t.step("back", async () => {
    const fates = await change(mesh, "berlin-2 moved back", {
      cut: ["berlin-2"],
      put: [["berlin-2", {}]],
    });
    fates.without("berlin-2").assertLossless();
    assertBack(fates);
  });
});

onEachBackend("a new leader costs those in other locations nothing", async (t, backend) => {
  await using mesh = await meshInSync(backend);
  for (
    const [what, annotations] of [
      ["berlin-2 leads instead of berlin-1", { leader: "" }],
      ["berlin-1 leads again", {}],
    ] as const
  ) {
    await t.step(what, async () => {
      const fates = await change(mesh, what, {
        cut: ["berlin-1", "berlin-2"],
        put: [["berlin-2", annotations]],
      });
      fates.without("berlin-1", "berlin-2").assertLossless();
      assertBack(fates);
    });
  }
});
