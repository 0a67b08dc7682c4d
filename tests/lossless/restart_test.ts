/** Agents end and start, in all ways; their nodes' traffic does not notice. */

import assert from "node:assert/strict";
import type { LabNode } from "../lab/node.ts";
import { waitFor } from "../lab/wait.ts";
import { FLAGS, Mesh, pause } from "./mesh.ts";

const NODES = ["berlin-1", "berlin-2", "tokyo-1", "office-1"];

/** A mesh of all nodes and the laptop. */
async function standing(): Promise<Mesh> {
  const mesh = await Mesh.create();
  await mesh.start(...NODES);
  await mesh.addLaptop();
  return mesh;
}

/** Like a leftover: removed by the first thing an agent does to routes, so a sign that it did. */
async function leaveStaleRoute(node: LabNode): Promise<void> {
  const route = `10.99.0.0/24 dev eth0 proto 107`.split(" ");
  await node.exec(["ip", "route", "add", ...route]);
}

async function staleRouteIsGone(node: LabNode): Promise<boolean> {
  return (await node.exec(["ip", "route", "show", "10.99.0.0/24"])) === "";
}

async function restart(node: LabNode, signal: Deno.Signal): Promise<void> {
  const { code } = await node.agent!.stop(signal);
  if (signal === "SIGTERM") assert.equal(code, 0);
  await leaveStaleRoute(node);
  await node.startAgent({ flags: FLAGS });
  await waitFor(`${node.name} has looked at its routes`, () => staleRouteIsGone(node));
}

for (const signal of ["SIGKILL", "SIGTERM"] as const) {
  Deno.test(`after ${signal} an agent starts without a packet lost`, async (t) => {
    await using mesh = await standing();
    for (const name of NODES) {
      await t.step(name, async () => {
        const ends = [...mesh.pods(), mesh.laptop];
        const fates = await mesh.during(
          `${signal} and start of ${name}`,
          { ends, concerned: [name] },
          () => restart(mesh.lab.node(name), signal),
        );
        fates.assertLossless();
      });
    }
    await t.step("all at once", async () => {
      const ends = [...mesh.pods(), mesh.laptop];
      const fates = await mesh.during(
        `${signal} and start of all at once`,
        { ends, concerned: NODES },
        async () => {
          await Promise.all(mesh.lab.nodes.map((node) => restart(node, signal)));
        },
      );
      fates.assertLossless();
    });
  });
}

Deno.test("a new version takes over from the old one without a packet lost", async () => {
  await using mesh = await standing();
  const node = mesh.lab.node("tokyo-1");
  const old = node.agent!;
  const program = `${mesh.lab.directory}/kg-new`;
  await Deno.copyFile(new URL("../../dist/kg", import.meta.url), program);
  const fates = await mesh.during(
    "a new version, started while the old one is being stopped",
    { ends: [...mesh.pods(), mesh.laptop], concerned: ["tokyo-1"] },
    async () => {
      old.kill("SIGTERM");
      const start = () => node.startAgent({ program, flags: FLAGS });
      await start();
      await old.end();
      await leaveStaleRoute(node);
      await waitFor("the new version runs", async () => {
        // As kubelet does it: refused while the old one lived, it is started again.
        if (node.agent!.ended) await start();
        return await staleRouteIsGone(node);
      });
    },
  );
  fates.assertLossless();
});

Deno.test("an agent cut off from the objects loses nothing, then or afterwards", async () => {
  await using mesh = await standing();
  const { lab } = mesh;
  const node = lab.node("tokyo-1");
  const fates = await mesh.during(
    "an agent cut off from the objects, and back",
    { ends: [...mesh.pods(), mesh.laptop], concerned: ["tokyo-1"] },
    async () => {
      await node.exec(["mount", "-t", "tmpfs", "none", lab.directory]);
      // Something happens meanwhile that it cannot read.
      for (const name of NODES) await touch(`${lab.manifests.directory}/status/${name}.yaml`);
      for (const name of NODES) await touch(lab.manifests.path("Node", name));
      await pause(1500);
      await node.exec(["umount", "--lazy", lab.directory]);
      await pause(1500);
    },
  );
  fates.assertLossless();
});

async function touch(path: string): Promise<void> {
  await Deno.utime(path, new Date(), new Date());
}
