/** The API server fails in all ways it can; no packet notices, and no agent needs help afterwards. */

import assert from "node:assert/strict";
import type { ApiServer } from "../k8s/api_server.ts";
import { Gateway } from "../k8s/gateway.ts";
import { onOwnCluster } from "../lab/backends.ts";
import { ClusterObjects } from "../lab/cluster.ts";
import { API_SERVER, INTERNET } from "../lab/wiring.ts";
import { pause } from "../lossless/mesh.ts";
import { type Outage, standing, suffer } from "./outage.ts";

const OUTAGES: readonly Outage[] = [
  {
    what: "killed, and started after 5 s",
    happen: async (server) => {
      await server.halt();
      await pause(5000);
      await server.resume();
    },
  },
  {
    what: "restarted in order",
    happen: async (server) => {
      await server.halt("SIGTERM");
      await server.resume();
    },
  },
  {
    what: "restarted with what it knew a while ago",
    happen: async (server) => {
      await server.halt();
      await server.restore();
      await server.resume();
    },
  },
  {
    what: "frozen for 20 s",
    happen: async (server) => {
      server.freeze();
      await pause(20_000);
      server.thaw();
    },
  },
  {
    what: "slow, asleep 9 tenths of 15 s",
    happen: async (server) => {
      for (let round = 0; round < 15; round++) {
        server.freeze();
        await pause(900);
        server.thaw();
        await pause(100);
      }
    },
  },
  {
    what: "forbidding everything for 10 s",
    happen: async (server) => {
      const binding = await server.kubectl(["get", "clusterrolebinding", "kilo", "-o", "json"]);
      const { apiVersion, kind, metadata: { name }, roleRef, subjects } = JSON.parse(binding);
      await server.kubectl(["delete", "clusterrolebinding", name]);
      await restart(server); // else watches that are under way go on
      await pause(10_000);
      const again = { apiVersion, kind, metadata: { name }, roleRef, subjects };
      await server.kubectl(["create", "-f", "-"], [again]);
    },
    complaint: /\b403\b/,
  },
  {
    what: "throttling everything for 10 s",
    happen: async (server, { lab }) => {
      assert.ok(lab.objects instanceof ClusterObjects);
      const { door } = lab.objects;
      await door.close();
      await throttle(server, lab.machine(INTERNET).pid);
      door.open();
    },
    complaint: /\b429\b/,
  },
];

async function restart(server: ApiServer): Promise<void> {
  await server.halt();
  await server.resume();
}

/** In its place something answers that a healthy server cannot be brought to say to everything. */
async function throttle(server: ApiServer, pid: number): Promise<void> {
  const { port } = server;
  await using gateway = await Gateway.open(server, { pid, hostname: API_SERVER, port });
  gateway.fault = () => new Response(null, { status: 429, headers: { "retry-after": "2" } });
  await pause(10_000);
}

onOwnCluster("whatever the API server does, no packet is lost", async (t, cluster) => {
  await using mesh = await standing(cluster);
  const { server } = cluster;
  await server.halt();
  await server.backup();
  await server.resume();
  for (const [number, outage] of OUTAGES.entries()) {
    await t.step(outage.what, () => suffer(outage, { mesh, server, number }));
  }
});
