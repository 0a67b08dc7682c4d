import assert from "node:assert/strict";
import { generatePrivateKey, publicKeyOf } from "../../src/wireguard/key.ts";
import { ourRoutes, wireGuardPeers } from "./kernel.ts";
import { Lab } from "./lab.ts";
import { peerObject } from "./manifests.ts";
import type { LabNode } from "./node.ts";
import { waitFor } from "./wait.ts";
import { only, THREE_LOCATIONS } from "./world.ts";

const PEERS = 500;
/** Milliseconds; half a second where nothing else runs. */
const TIMEOUT = 3000;

async function peerList(): Promise<string> {
  const items = await Promise.all(Array.from({ length: PEERS }, async (_, at) => {
    const allowedIPs = [`10.64.${at >> 8}.${at & 255}/32`];
    const spec = {
      name: `peer-${at}`,
      site: "",
      addresses: [],
      allowedIPs,
      persistentKeepalive: 0,
    };
    return peerObject(spec, await publicKeyOf(generatePrivateKey()));
  }));
  return JSON.stringify({ apiVersion: "v1", kind: "List", items });
}

Deno.test("500 Peers from one JSON List are in the kernel soon after exec", async () => {
  await using lab = await Lab.create({ world: only(THREE_LOCATIONS, ["berlin-1"]) });
  const [node] = lab.nodes as [LabNode];
  await lab.manifests.putText(`${lab.manifests.directory}/peers.json`, await peerList());
  const start = performance.now();
  const agent = await node.startAgent();
  const follows = () => agent.log.some(({ msg }) => msg === "the kernel follows the mesh");
  await waitFor("it has changed the kernel", follows, { interval: 5 });
  const milliseconds = Math.round(performance.now() - start);
  assert.equal((await wireGuardPeers(node.namespace)).size, PEERS);
  assert.equal((await ourRoutes(node.namespace)).length, PEERS);
  console.log(`measured: 500 Peers converged ${milliseconds} ms after exec`);
  assert.ok(milliseconds < TIMEOUT, `${milliseconds} ms`);
});
