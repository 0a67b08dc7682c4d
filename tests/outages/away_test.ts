/** For so long that nobody could check in, there is no API server: nobody is given up. */

import { onOwnCluster } from "../lab/backends.ts";
import { FLAGS, pause } from "../lossless/mesh.ts";
import { type Outage, standing, suffer } from "./outage.ts";

const MINUTE = 60_000;

const AWAY: Outage = {
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
};

onOwnCluster("an API server that is away for two minutes costs no packet", async (_, cluster) => {
  await using mesh = await standing(cluster);
  await suffer(AWAY, { mesh, server: cluster.server });
});
