/** The API server fails in all ways it can; no packet notices, and no agent needs help afterwards. */

import assert from "node:assert/strict";
import type { ApiServer } from "../k8s/api_server.ts";
import { Gateway } from "../k8s/gateway.ts";
import { onOwnCluster } from "../lab/backends.ts";
import { ClusterObjects } from "../lab/cluster.ts";
import { addPeer } from "../lab/mesh.ts";
import { API_SERVER, INTERNET } from "../lab/wiring.ts";
import { FLAGS, Mesh, pause } from "./mesh.ts";

const NODES = ["berlin-1", "berlin-2", "tokyo-1", "office-1"];

/** Milliseconds after which all agents have heard of a Peer that is added once the API server works. */
const BACK_WITHIN = 15_000;

const MINUTE = 60_000;

interface Outage {
  readonly what: string;
  /** What happens to the API server; it works again when this is done. */
  readonly happen: (server: ApiServer, mesh: Mesh) => Promise<void>;
  /** What agents complain of. */
  readonly complaint?: RegExp;
}

const OUTAGES: readonly Outage[] = [
  {
    what: "killed, and started after 5 s",
    happen: async (server) => {
      await server.halt();
      await pause(5000);
      await server.resume();
    },
    complaint: /refused/,
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
  {
    what: "away for two minutes, while an agent is killed and started",
    happen: async (server, { lab }) => {
      await server.halt();
      await pause(MINUTE);
      const [node] = lab.nodes;
      await node!.agent!.stop("SIGKILL");
      await node!.startAgent({ flags: FLAGS });
      await pause(MINUTE);
      await server.resume();
    },
    complaint: /refused/,
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

onOwnCluster(
  "no outage of the API server costs a packet, nor needs anybody's help",
  async (t, cluster) => {
    await using mesh = await Mesh.create({ backend: cluster });
    const { lab } = mesh;
    const { server } = cluster;
    await mesh.start(...NODES);
    await mesh.addLaptop();
    await server.halt();
    await server.backup();
    await server.resume();
    for (const [at, { what, happen, complaint }] of OUTAGES.entries()) {
      await t.step(what, async () => {
        const output = lab.nodes.map(({ agent }) => agent!.output.length);
        let back = 0;
        const ends = [...mesh.pods(), mesh.laptop];
        const fates = await mesh.during(what, { ends, concerned: NODES }, async () => {
          await happen(server, mesh);
          const start = performance.now();
          await addPeer(lab, `10.50.${at}.0/24`, { timeout: 60_000 });
          back = performance.now() - start;
        });
        console.log(
          `measured: ${what}: a Peer added afterwards is in all kernels after ${
            Math.round(back)
          } ms`,
        );
        fates.assertLossless();
        assert.ok(back < BACK_WITHIN, `${back} ms`);
        for (const [index, { name, agent }] of lab.nodes.entries()) {
          if (complaint) assert.match(agent!.output.slice(output[index]), complaint, name);
        }
      });
    }
  },
);
