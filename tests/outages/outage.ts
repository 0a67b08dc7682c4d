/** Something happens to the API server of a mesh, with packets under way between all its pods. */

import assert from "node:assert/strict";
import type { ApiServer } from "../k8s/api_server.ts";
import type { Cluster } from "../lab/cluster.ts";
import { addPeer } from "../lab/mesh.ts";
import { Mesh } from "../lossless/mesh.ts";

const NODES = ["berlin-1", "berlin-2", "tokyo-1", "office-1"];

/** Milliseconds after which all agents have a new Peer, once the API server works. */
const BACK_WITHIN = 15_000;

export interface Outage {
  readonly what: string;
  /** What happens; the API server works again when this is done. */
  readonly happen: (server: ApiServer, mesh: Mesh) => Promise<void>;
  /** What agents complain of. */
  readonly complaint?: RegExp;
}

/** A mesh of four nodes and a laptop. */
export async function standing(cluster: Cluster): Promise<Mesh> {
  const mesh = await Mesh.create({ backend: cluster });
  await mesh.start(...NODES);
  await mesh.addLaptop();
  return mesh;
}

/** No packet is lost; then a Peer is added, and all agents put it into force, without any help. */
export async function suffer(
  { what, happen, complaint }: Outage,
  { mesh, server, number = 0 }: {
    readonly mesh: Mesh;
    readonly server: ApiServer;
    /** Another one each time. */
    readonly number?: number;
  },
): Promise<void> {
  const { lab } = mesh;
  const before = lab.nodes.map(({ name, agent }) => ({
    name,
    agent: agent!,
    length: agent!.output.length,
  }));
  let back = 0;
  const ends = [...mesh.pods(), mesh.laptop];
  const fates = await mesh.during(what, { ends, affected: NODES }, async () => {
    await happen(server, mesh);
    const start = performance.now();
    await addPeer(lab, `10.50.${number}.0/24`, { timeout: 60_000 });
    back = performance.now() - start;
  });
  const time = Math.round(back);
  console.log(`measured: ${what}: a Peer added afterwards is in all kernels after ${time} ms`);
  fates.assertLossless();
  assert.ok(back < BACK_WITHIN, `${time} ms`);
  for (const { name, agent, length } of before) {
    if (complaint) assert.match(agent.output.slice(length), complaint, name);
  }
}
