/** Floating addresses move between nodes; nobody's traffic notices. */

import assert from "node:assert/strict";
import { onEachBackend } from "../lab/backends.ts";
import type { LabNode } from "../lab/node.ts";
import { Mesh, pause } from "./mesh.ts";

const NODES = ["berlin-1", "berlin-2", "tokyo-1", "office-1"];

/** What keepalived, kube-vip and others add; all sort before the nodes' own addresses. */
const FLOATING = [
  "10.1.0.10/32",
  "10.1.0.100/24",
  "10.0.0.5/24",
  "198.51.100.10/32",
  "198.51.100.100/24",
  "fd00:1::5/64",
  "2001:db8::5/128",
];

/** Milliseconds after a move; an address that was taken for the own one is published in that time. */
const SETTLE = 700;

onEachBackend("floating addresses move, and no packet is lost", async (_, backend) => {
  await using mesh = await Mesh.create({ backend });
  await mesh.start(...NODES);
  const holders = mesh.lab.nodes.filter(({ spec }) => spec.site === "berlin");
  const addresses = async () => {
    const all = await Promise.all(holders.map((node) => node.status()));
    return all.map((status) => `${status.endpoint} ${status["internal-ip"]}`);
  };
  const before = await addresses();
  const change = async (verb: "add" | "del", { namespace }: LabNode) => {
    const lines = FLOATING.map((address) => `addr ${verb} ${address} dev eth0\n`);
    await namespace.exec(["ip", "-batch", "-"], lines.join(""));
  };
  const options = { ends: mesh.pods(), affected: ["berlin-1", "berlin-2"] };
  const fates = await mesh.during("floating addresses move", options, async () => {
    for (let turn = 0; turn < 4; turn++) {
      const holder = holders[turn % holders.length]!;
      await change("add", holder);
      await pause(SETTLE);
      await change("del", holder);
      await pause(SETTLE);
    }
  });
  fates.assertLossless();
  assert.deepEqual(await addresses(), before);
});
