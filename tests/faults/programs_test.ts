import assert from "node:assert/strict";
import { onEachBackend } from "../lab/backends.ts";
import { ourRoutes } from "../lab/kernel.ts";
import { mesh, podsReach, stands } from "../lab/mesh.ts";
import type { LabNode } from "../lab/node.ts";
import { hasKernelWireGuard } from "../lab/wireguard.ts";
import { assertUnharmed, complaints, count } from "./fault.ts";

const TWO = ["berlin-1", "tokyo-1"];
const USERSPACE = { ignore: await hasKernelWireGuard() };

onEachBackend(
  "wireguard-go that hangs keeps nothing else waiting for long, and is used again",
  async (_, backend) => {
    await using lab = await mesh(TWO, { backend });
    const [node] = lab.nodes as [LabNode, LabNode];
    await lab.waitFor("pods reach each other", () => podsReach(lab.nodes));
    const pids = node.namespace.processes("wireguard-go");
    for (const pid of pids) Deno.kill(pid, "SIGSTOP");
    await lab.waitFor("an error", () => count(node, /no sign of life/) > 0, { timeout: 30_000 });
    assert.ok(await stands(lab.nodes), "what is there stays");
    await node.exec("ip route del 10.42.3.0/24 proto 107".split(" "));
    await lab.waitFor("its route is back", () => stands(lab.nodes), { timeout: 5000 });
    await node.exec("nft delete table ip kilo".split(" "));
    const table = "nft list table ip kilo".split(" ");
    await lab.waitFor("its firewall is back", () => node.exec(table), { timeout: 5000 });
    for (const pid of pids) Deno.kill(pid, "SIGCONT");
    await lab.waitFor("pods reach each other", () => podsReach(lab.nodes));
    assert.equal(complaints(node).length, 1, complaints(node).join("\n"));
    await assertUnharmed(lab);
  },
  USERSPACE,
);

onEachBackend(
  "a WireGuard socket that is gone for a while is told of once",
  async (_, backend) => {
    await using lab = await mesh(TWO, { backend });
    const [node] = lab.nodes as [LabNode, LabNode];
    const socket = node.namespace.path("/run/wireguard/kilo0.sock");
    await Deno.rename(socket, `${socket}.away`);
    await lab.waitFor("an error", () => count(node, /kilo0/) > 0);
    await node.exec("ip route del 10.42.3.0/24 proto 107".split(" "));
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await Deno.rename(`${socket}.away`, socket);
    await lab.waitFor("its route is back", () => stands(lab.nodes));
    assert.equal(complaints(node).length, 1, complaints(node).join("\n"));
    await assertUnharmed(lab);
  },
  USERSPACE,
);

onEachBackend("events that are lost are made up for by a look", async (_, backend) => {
  await using lab = await mesh(TWO, { backend });
  const [node] = lab.nodes as [LabNode, LabNode];
  const right = await ourRoutes(node.namespace);
  node.agent!.kill("SIGSTOP");
  const routes = Array.from(
    { length: 20_000 },
    (_, n) => `10.${100 + (n >> 8)}.${n & 255}.0/24 dev eth0\n`,
  );
  for (const verb of ["add", "del"]) {
    const batch = routes.map((route) => `route ${verb} ${route}`).join("");
    await node.exec(["ip", "-batch", "-"], batch);
  }
  await node.exec("ip route flush table all proto 107".split(" "));
  await node.exec("nft delete table ip kilo".split(" "));
  assert.ok(await mostDrops(node) > 0, "some were lost");
  node.agent!.kill("SIGCONT");
  await lab.waitFor("all routes are back", async () => {
    return (await ourRoutes(node.namespace)).join() === right.join();
  });
  await lab.waitFor("the firewall is back", () => node.exec("nft list table ip kilo".split(" ")));
  await assertUnharmed(lab);
});

/** Of all netlink sockets the one with the most datagrams that found no room. */
async function mostDrops(node: LabNode): Promise<number> {
  const [, ...lines] = (await node.exec(["cat", "/proc/net/netlink"])).trim().split("\n");
  return Math.max(...lines.map((line) => Number(line.trim().split(/\s+/)[8])));
}
