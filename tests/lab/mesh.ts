/** Labs in which kg runs, and what tests and people ask of a mesh. */

import { peerConfig } from "../../src/mesh/config.ts";
import { generatePrivateKey, publicKeyOf } from "../../src/wireguard/key.ts";
import { FILES } from "./directory.ts";
import { Lab } from "./lab.ts";
import { ourRoutes } from "./kernel.ts";
import { peerObject } from "./manifests.ts";
import type { LabNode } from "./node.ts";
import type { Backend } from "./objects.ts";
import { ping } from "./traffic.ts";
import { only, THREE_LOCATIONS, type World } from "./world.ts";

/** What kg logs when it has changed the kernel. */
const FOLLOWS = "the kernel follows the mesh";

export interface MeshOptions {
  /** Default: the usual one. */
  readonly world?: World;
  /** Default: files. */
  readonly backend?: Backend;
  /** More flags for each kg. */
  readonly flags?: readonly string[];
  /** Path of a BoringTun that makes the nodes' WireGuard interfaces. */
  readonly boringtun?: string;
  /** What to do to its machines before any kg runs. */
  readonly setUp?: (lab: Lab) => Promise<void>;
}

/** A lab of these nodes and peers of a world, with kg on each node, once their mesh stands. */
export async function mesh(
  names: readonly string[],
  { world = THREE_LOCATIONS, backend = FILES, flags = [], boringtun, setUp }: MeshOptions = {},
): Promise<Lab> {
  const lab = await Lab.create({
    world: only(world, names),
    backend,
    ...boringtun !== undefined && { boringtun },
  });
  try {
    await setUp?.(lab);
    await Promise.all(lab.nodes.map((node) => node.startAgent({ flags })));
    await lab.waitFor(
      "the mesh stands",
      async () =>
        lab.nodes.every(({ agent }) => agent!.log.some(({ msg }) => msg === FOLLOWS)) &&
        await stands(lab.nodes),
    );
    return lab;
  } catch (error) {
    await lab[Symbol.asyncDispose]();
    throw error;
  }
}

/** Has each node told who it is, and does its kernel have a route to the pods of each other? */
export async function stands(nodes: readonly LabNode[]): Promise<boolean> {
  const answers = await Promise.all(nodes.map(async (node) => {
    if (!(await node.status()).key) return false;
    const routes = await ourRoutes(node.namespace);
    return nodes.every(({ spec }) =>
      spec === node.spec || routes.some((route) => route.startsWith(`${spec.podCIDR} `))
    );
  }));
  return answers.every(Boolean);
}

/** Does the pod of each node get an answer from the pod of each other? */
export async function podsReach(nodes: readonly LabNode[]): Promise<boolean> {
  const pairs = nodes.flatMap((from) =>
    nodes.filter((to) => to !== from).map((to) => from.pings(to))
  );
  return (await Promise.all(pairs)).every(Boolean);
}

/** Adds a Peer that is nowhere, and waits until the kernels of all nodes have a route to it. */
export async function addPeer(
  lab: Lab,
  allowedIP: string,
  options: { readonly timeout?: number } = {},
): Promise<void> {
  const name = `peer-${allowedIP.replaceAll(/[./]/g, "-")}`;
  const spec = { name, site: "", addresses: [], allowedIPs: [allowedIP], persistentKeepalive: 0 };
  await lab.objects.put(peerObject(spec, await publicKeyOf(generatePrivateKey())));
  await lab.waitFor(`a route to ${allowedIP}`, async () => {
    const routes = await Promise.all(lab.nodes.map(({ namespace }) => ourRoutes(namespace)));
    return routes.every((lines) => lines.some((line) => line.startsWith(`${allowedIP} `)));
  }, options);
}

/**
 * Does each outside peer get an answer from each pod? They are set up to what the mesh publishes
 * now, as people do with `kgctl showconf peer`.
 */
export async function peersReach(lab: Lab): Promise<boolean> {
  const topology = await lab.topology();
  const answers = await Promise.all(lab.peers.map(async (peer) => {
    const own = topology.peers.find(({ name }) => name === peer.name);
    await peer.configure(peerConfig(topology, own));
    const pods = lab.nodes.map((node) => ping(peer.namespace, node.podAddress, { timeout: 0.5 }));
    return (await Promise.all(pods)).every(({ received }) => received > 0);
  }));
  return answers.every(Boolean);
}
