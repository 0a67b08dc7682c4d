/** The mesh as a command sees it that runs anywhere: as one of the nodes sees it, at one look. */

import { BackendError, type Cluster } from "../backend/backend.ts";
import { type BackendChoice, openBackend } from "../backend/open.ts";
import type { Granularity } from "../mesh/node.ts";
import type { Peer } from "../mesh/peer.ts";
import { type CompleteNode, isReadyPeer, notReadyBecause } from "../mesh/readiness.ts";
import { isFresh } from "../mesh/staleness.ts";
import { claimWarnings } from "../mesh/holders.ts";
import { type Topology, topology } from "../mesh/topology.ts";
import { formatPrefix, network, parsePrefix, type Prefix } from "../net/prefix.ts";
import { compareText, quote } from "../net/text.ts";
import { BACKEND_FLAGS, backendChoice } from "./backend_flags.ts";
import type { Output } from "./command.ts";
import { execPlugin } from "./exec_plugin.ts";
import { choice, integer, text } from "./flag.ts";
import type { FlagValues } from "./flags.ts";
import { chooseKubeconfig, KUBECONFIG_FLAG } from "./kubeconfig.ts";

export const MESH_FLAGS = {
  ...BACKEND_FLAGS,
  "kubeconfig": KUBECONFIG_FLAG,
  "mesh-granularity": choice("auto", {
    words: ["location", "full", "auto"],
    help: "mesh locations, or all nodes, or as the nodes say",
  }),
  "port": integer(51820, { min: 1, max: 65535, help: "UDP port of WireGuard" }),
  "topology-label": text("topology.kubernetes.io/region", {
    placeholder: "label",
    help: "node label that names the location; none if empty",
  }),
};

/** Where WireGuard addresses come from if no node says. */
const DEFAULT_SUBNET = parsePrefix("10.4.0.0/16")!;

export interface Mesh {
  readonly topology: Topology;
  /** The ready Peers with all the allowed IPs that they claim. */
  readonly peers: readonly Peer[];
}

/**
 * Reads the cluster and computes its mesh as `node` sees it, or else the first ready node. Names are
 * not resolved. Warns of what it passed over; throws if there is no such node, or no mesh.
 */
export async function readMesh(
  values: FlagValues<typeof MESH_FLAGS>,
  { node, output }: { readonly node?: string; readonly output: Output },
): Promise<Mesh> {
  const warn = (text: string) => output.error(`Warning: ${text}`);
  const choice = backendChoice(values, () => ({
    kubeconfig: chooseKubeconfig(values.kubeconfig),
    plugin: execPlugin,
    master: undefined,
  }));
  const cluster = await readCluster(choice, values.topologyLabel);
  cluster.problems.forEach(({ text }) => warn(text));
  const nodes = readyNodes(cluster);
  const peers = [...cluster.peers.values()].filter(isReadyPeer);
  const mesh = topology({ nodes, peers }, {
    hostname: localNode(nodes, node).name,
    granularity: chooseGranularity(nodes, { asked: values.meshGranularity, warn }),
    subnet: chooseSubnet(nodes, warn),
  });
  [...mesh.warnings, ...claimWarnings(mesh)].forEach(({ text }) => warn(text));
  return { topology: mesh, peers };
}

/** The cluster as it is now; throws a {@link BackendError} if it cannot be read. */
async function readCluster(choice: BackendChoice, topologyLabel: string): Promise<Cluster> {
  const noNode = "";
  const options = { hostname: noNode, topologyLabel, resyncPeriod: 30_000 };
  await using backend = openBackend(choice, { ...options, isOnce: true });
  const failure = Promise.withResolvers<never>();
  const complete = backend.start(() => {
    const outage = backend.cluster().problems.find(({ isOutage }) => isOutage);
    if (outage) failure.reject(new BackendError(outage.text));
  });
  await Promise.race([complete, failure.promise]);
  return backend.cluster();
}

/** By name. */
function readyNodes({ nodes }: Cluster): CompleteNode[] {
  const now = Date.now();
  return [...nodes.values()]
    .filter((node): node is CompleteNode =>
      notReadyBecause(node, { isFresh: isFresh(node.lastSeen, now) }) === undefined
    )
    .sort((a, b) => compareText(a.name, b.name));
}

function localNode(nodes: readonly CompleteNode[], name: string | undefined): CompleteNode {
  const local = name === undefined ? nodes[0] : nodes.find((node) => node.name === name);
  if (local) return local;
  throw new Error(
    name === undefined
      ? "did not find any ready node in the cluster"
      : `did not find any node named ${quote(name)} in the cluster`,
  );
}

function chooseGranularity(
  nodes: readonly CompleteNode[],
  { asked, warn }: { asked: Granularity | "auto"; warn: (text: string) => void },
): Granularity {
  if (asked !== "auto") return asked;
  const said = whatNodesSay(nodes, { what: "mesh granularity", of: (n) => n.granularity, warn });
  if (said !== undefined) return said;
  throw new Error("no ready node says the mesh granularity: give --mesh-granularity");
}

function chooseSubnet(nodes: readonly CompleteNode[], warn: (text: string) => void): Prefix {
  const said = whatNodesSay(nodes, {
    what: "WireGuard subnet",
    of: ({ wireGuardIP }) => wireGuardIP && formatPrefix(network(wireGuardIP)),
    warn,
  });
  return said === undefined ? DEFAULT_SUBNET : parsePrefix(said)!;
}

/** What the first node by name says that says anything; a warning names those that say otherwise. */
function whatNodesSay<T extends string>(
  nodes: readonly CompleteNode[],
  { what, of, warn }: {
    what: string;
    of: (node: CompleteNode) => T | undefined;
    warn: (text: string) => void;
  },
): T | undefined {
  const sayings = nodes.flatMap((node) => {
    const text = of(node);
    return text === undefined ? [] : [{ name: node.name, text }];
  });
  const first = sayings[0];
  const others = sayings.filter(({ text }) => text !== first?.text);
  if (first && others.length > 0) {
    const list = others.map(({ name, text }) => `${name} (${text})`).join(", ");
    warn(`the ${what} is ${first.text} as ${first.name} says; others say otherwise: ${list}`);
  }
  return first?.text;
}
