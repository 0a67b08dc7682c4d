/** Somebody else holds another opinion, and insists: an endless war helps nobody. */

import assert from "node:assert/strict";
import { onEachBackend } from "../lab/backends.ts";
import { mesh } from "../lab/mesh.ts";
import type { LabNode } from "../lab/node.ts";
import { Observer } from "./observer.ts";

/** Milliseconds. */
const RESYNC = 1500;
/** Repairs of one kind in a row, and how often they begin again: after each pause and resync. */
const LIMIT = 20;
const PERIODS = 8;

const WARS: readonly (readonly [kind: string, command: string])[] = [
  ["route", "ip route del 10.42.3.0/24 proto 107"],
  ["address", "ip addr del 10.4.0.1/16 dev kilo0"],
  ["link", "ip link set kilo0 down"],
  ["nftables", "nft delete table ip kilo"],
  ["CNI", "rm -f /etc/cni/net.d/10-kilo.conflist"],
];

for (const [kind, command] of WARS) {
  const title =
    `who keeps undoing our changes (${kind}) is told of once, and not fought without end`;
  onEachBackend(title, async (_, backend) => {
    const flags = [`--resync-period=${RESYNC}ms`];
    await using lab = await mesh(["berlin-1", "tokyo-1"], { backend, flags });
    const [node] = lab.nodes as [LabNode, LabNode];
    await using observer = Observer.open(node.namespace);
    const right = observer.state();
    const script = `while :; do ${command}; sleep 0.01; done`;
    const enemy = node.namespace.spawn(["sh", "-c", script], { stdout: "null", stderr: "null" });
    const start = performance.now();
    await lab.waitFor("a warning", () => reported(node, kind).length > 0);
    // Resyncs pass, which try again.
    await new Promise((resolve) => setTimeout(resolve, 2 * RESYNC));
    enemy.kill("SIGKILL");
    await enemy.status;
    const seconds = (performance.now() - start) / 1000;
    const repairs = node.agent!.log.length; // nearly every line tells of one
    console.log(
      `measured: at most ${repairs} repairs in ${seconds.toFixed(1)} s of war over ${kind}`,
    );
    await lab.waitFor("peace", () => observer.state() === right, { timeout: 2 * RESYNC });
    assert.equal(reported(node, kind).length, 1);
    assert.ok(reported(node, "").length <= 2, reported(node, "").join("\n"));
    assert.ok(repairs <= LIMIT * PERIODS, `${repairs} repairs`);
  });
}

/** What it complained of: of this war, or of everything. */
function reported({ agent }: LabNode, kind: string): string[] {
  return agent!.log.filter(({ level }) => level !== "info").map(({ msg }) => msg)
    .filter((text) => kind === "" || text.includes(`keeps undoing our changes (${kind})`));
}
