/** Agents end and start, in all ways; their nodes' traffic does not notice. */

import assert from "node:assert/strict";
import { onEachBackend } from "../lab/backends.ts";
import type { LabNode } from "../lab/node.ts";
import type { Backend } from "../lab/objects.ts";
import { waitFor } from "../lab/wait.ts";
import { API_SERVER } from "../lab/wiring.ts";
import { FLAGS, Mesh, pause } from "./mesh.ts";

const NODES = ["berlin-1", "berlin-2", "tokyo-1", "office-1"];

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

onEachBackend("agents end and start, and no packet is lost", async (t, backend) => {
  await using mesh = await Mesh.create({ backend });
  await mesh.start(...NODES);
  await mesh.addLaptop();
  const step = async (
    what: string,
    { affected, change }: { affected: readonly string[]; change: () => Promise<unknown> },
  ) => {
    await t.step(what, async () => {
      const ends = [...mesh.pods(), mesh.laptop];
      const fates = await mesh.during(what, { ends, affected }, async () => void await change());
      fates.assertLossless();
    });
  };
  for (const signal of ["SIGKILL", "SIGTERM"] as const) {
    for (const name of NODES) {
      const change = () => restart(mesh.lab.node(name), signal);
      await step(`${signal} and start of ${name}`, { affected: [name], change });
    }
    const change = () => Promise.all(mesh.lab.nodes.map((node) => restart(node, signal)));
    await step(`${signal} and start of all at once`, { affected: NODES, change });
  }
  await step("a new version, started while the old one is being stopped", {
    affected: ["tokyo-1"],
    change: () => upgrade(mesh, mesh.lab.node("tokyo-1")),
  });
  await step("an agent cut off from the objects, and back", {
    affected: ["tokyo-1"],
    change: () => CUT_OFF[backend.name](mesh.lab.node("tokyo-1"), mesh),
  });
});

async function upgrade({ lab }: Mesh, node: LabNode): Promise<void> {
  const old = node.agent!;
  const program = `${lab.directory}/kg-new`;
  await Deno.copyFile(new URL("../../dist/kg", import.meta.url), program);
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
}

/** Takes the objects away from one agent, and gives them back. */
const CUT_OFF: Readonly<Record<Backend["name"], (node: LabNode, mesh: Mesh) => Promise<void>>> = {
  file: async (node, { lab }) => {
    await node.exec(["mount", "-t", "tmpfs", "none", lab.directory]);
    // Something happens that it hears of and cannot read.
    for (const name of NODES) await touch(`${lab.manifests.directory}/status/${name}.yaml`);
    for (const name of NODES) await touch(lab.manifests.path("Node", name));
    await pause(1500);
    await node.exec(["umount", "--lazy", lab.directory]);
    await pause(1500);
  },
  kubernetes: async (node) => {
    const rule = `ip daddr ${API_SERVER} meta l4proto tcp reject with tcp reset`;
    const chain = `chain output { type filter hook output priority 0; ${rule}; }`;
    await node.exec(["nft", `table ip cut { ${chain}; }`]);
    await pause(3000);
    await node.exec(["nft", "delete table ip cut"]);
    await pause(3000);
  },
};

async function touch(path: string): Promise<void> {
  await Deno.utime(path, new Date(), new Date());
}
