/** Whatever resets connections, a dead leader is gone in time. */

import assert from "node:assert/strict";
import { Gateway } from "../k8s/gateway.ts";
import { onOwnCluster } from "../lab/backends.ts";
import { ClusterObjects } from "../lab/cluster.ts";
import { ourRoutes } from "../lab/kernel.ts";
import { mesh, podsReach } from "../lab/mesh.ts";
import type { LabNode } from "../lab/node.ts";
import { API_SERVER, INTERNET } from "../lab/wiring.ts";

/** Milliseconds between two resets of all connections, as some load balancers make them. */
const RESET_PERIOD = 25_000;

/** Seconds after its last check-in when a dead node may go, and must be gone. */
const STALE_AFTER = 60;
const GONE_AFTER = 100;

const TITLE = "with connections reset each 25 s a dead leader leaves within 60 to 100 s";

onOwnCluster(TITLE, async (_, cluster) => {
  await using lab = await mesh(["berlin-1", "berlin-2", "tokyo-1"], { backend: cluster });
  const [leader, other, tokyo] = lab.nodes as [LabNode, LabNode, LabNode];
  assert.ok(lab.objects instanceof ClusterObjects);
  await lab.objects.door.close();
  const { server, server: { port } } = cluster;
  const { pid } = lab.machine(INTERNET);
  await using gateway = await Gateway.open(server, { pid, hostname: API_SERVER, port });
  await lab.waitFor("watches through the gateway", () => gateway.count(/watch=1/) >= 6);

  await leader.agent!.stop("SIGKILL");
  const lastSeen = Number((await leader.status())["last-seen"]);
  let next = performance.now() + RESET_PERIOD;
  let resets = 0;
  await lab.waitFor("the dead leader is gone", async () => {
    if (performance.now() > next) {
      gateway.cut();
      resets++;
      next += RESET_PERIOD;
    }
    const routes = await ourRoutes(tokyo.namespace);
    return !routes.some((line) => line.startsWith(`${leader.spec.podCIDR} `));
  }, { timeout: 400_000 });
  const seconds = Date.now() / 1000 - lastSeen;
  console.log(`measured: ${resets} resets; gone ${seconds.toFixed(1)} s after its last check-in`);
  assert.ok(resets >= 2 || seconds < 52);
  assert.ok(seconds >= STALE_AFTER - 1 && seconds <= GONE_AFTER, `${seconds} s`);
  await lab.waitFor("the rest reach each other", () => podsReach([other, tokyo]));
});
