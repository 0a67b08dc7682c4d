/**
 * `./denow task demo [--kubernetes] [--keep]`: builds the program and runs a whole mesh of it on
 * this machine, in network namespaces that nothing leaves. Shows who reaches whom, and that what
 * crosses the internet between the locations is encrypted. Nodes and Peers are files in a
 * directory, or objects on a real Kubernetes API server.
 */

import { apiServerProgram } from "../tests/k8s/program.ts";
import { Cluster } from "../tests/lab/cluster.ts";
import { FILES } from "../tests/lab/directory.ts";
import { Lab } from "../tests/lab/lab.ts";
import { peerObject } from "../tests/lab/manifests.ts";
import { peersReach, podsReach } from "../tests/lab/mesh.ts";
import type { Namespace } from "../tests/lab/namespace.ts";
import { type Crossing, type Ping, ping } from "../tests/lab/traffic.ts";
import { build } from "./build.ts";
import { drawMesh } from "./drawing.ts";
import { provisionLab } from "./provision.ts";
import { bold, cyan, dim, green, main, red, Refusal, step, table } from "./terminal.ts";

/** Echo requests in each cell of the table. */
const PINGS = 5;

const OPTIONS = ["--kubernetes", "--keep"] as const;

type Option = typeof OPTIONS[number];

/** Where pings start: pods and laptops. */
interface Source {
  readonly name: string;
  readonly namespace: Namespace;
}

async function demo(options: ReadonlySet<Option>, resources: AsyncDisposableStack) {
  console.log(
    `\n${bold("kg")} ${dim("a WireGuard mesh in network namespaces, on this machine only")}\n`,
  );
  const program = await step("the program is built", build);
  const cluster = options.has("--kubernetes") ? await startCluster(resources) : undefined;
  const lab = await step("a lab of four nodes in three locations, and a laptop", () => {
    const creation = Lab.create({ program, backend: cluster ?? FILES });
    resources.defer(async () => await (await creation)[Symbol.asyncDispose]());
    return creation;
  });
  await step("kg is started on each node", async () => {
    for (const peer of lab.peers) {
      await lab.objects.put(peerObject(peer.spec, await peer.publicKey()));
    }
    await Promise.all(lab.nodes.map((node) => node.startAgent()));
  });
  // The laptop does not wait for the pods; only the telling is one after the other.
  const [pods, peers] = [() => podsReach(lab.nodes), () => peersReach(lab)].map((reach) => {
    const done = lab.waitFor("all pods answer", reach, { timeout: 60_000 });
    done.catch(() => {}); // told by the step that awaits it
    return done;
  });
  await step("every pod reaches every other pod", () => pods);
  await step("the laptop reaches every pod", () => peers);

  if (cluster) console.log(`\n${await kubectlGet(cluster)}`);
  console.log(`\n${bold("The mesh")}\n\n${drawMesh(await lab.topology())}\n`);
  const before = await lab.crossing();
  const { text, lost } = await pingTable(lab);
  console.log(`${bold("Pings")} ${dim(`round-trip times, average of ${PINGS}`)}\n\n${text}\n`);
  console.log(proof({ before, after: await lab.crossing() }));
  if (lost > 0) throw new Refusal(`${lost} echo requests were not answered`);
  if (options.has("--keep")) await standing(lab, cluster);
}

async function startCluster(resources: AsyncDisposableStack): Promise<Cluster> {
  await apiServerProgram();
  return await step("a Kubernetes API server is started", () => {
    const start = Cluster.start();
    resources.defer(async () => await (await start)[Symbol.asyncDispose]());
    return start;
  });
}

/** What a person sees of the cluster. */
async function kubectlGet({ server }: Cluster): Promise<string> {
  const args = ["get", "nodes,peers", "--label-columns=topology.kubernetes.io/region"];
  const text = (await server.kubectl(args)).trimEnd().replaceAll(/^(?=.)/gm, "  ");
  return `${bold("The cluster")} ${dim("(no kubelet runs: what nodes are is unknown)")}

  ${dim(`$ kubectl ${args.join(" ")}`)}
${text}`;
}

async function pingTable(lab: Lab): Promise<{ text: string; lost: number }> {
  const sources: Source[] = [
    ...lab.nodes.map(({ name, pod }) => ({ name: `pod on ${name}`, namespace: pod })),
    ...lab.peers,
  ];
  const rows = await Promise.all(sources.map(async ({ name, namespace }) => {
    const pings: (Ping | undefined)[] = [];
    for (const node of lab.nodes) {
      const own = node.pod === namespace;
      pings.push(own ? undefined : await ping(namespace, node.podAddress, { count: PINGS }));
    }
    return { name, pings };
  }));
  const lost = rows.flatMap(({ pings }) => pings)
    .reduce((sum, result) => sum + (result ? result.sent - result.received : 0), 0);
  const text = table([
    ["  from \\ to", ...lab.nodes.map(({ name }) => `pod on ${name}`)],
    ...rows.map(({ name, pings }) => [`  ${name}`, ...pings.map(cell)]),
  ]);
  return { text, lost };
}

function cell(result: Ping | undefined): string {
  if (!result) return dim("·");
  if (result.received < result.sent) return red(`${result.received} of ${result.sent} answered`);
  return green(`${result.rtt?.toFixed(2)} ms`);
}

/** What the counters where all routers meet say; a {@link Refusal} if they prove nothing. */
function proof({ before, after }: { readonly before: Crossing; readonly after: Crossing }): string {
  const { sealed, clear } = after;
  const kilobytes = (sealed.bytes / 1000).toFixed(1);
  if (clear.packets > 0) {
    throw new Refusal(`${clear.packets} packets crossed the internet without encryption`);
  }
  if (sealed.packets <= before.sealed.packets) {
    throw new Refusal("no packet was seen on the internet: nothing is proved");
  }
  return `${bold("On the internet")} ${dim("counted where the routers of all locations meet")}

  ${
    green(`${sealed.packets}`)
  } packets (${kilobytes} kB) were WireGuard's: UDP port 51820, starting as its messages do
  ${green("0")} packets were anything else: not one ping was seen in clear
`;
}

/** Leaves the lab standing and tells how to look around, until Ctrl-C. */
async function standing(lab: Lab, cluster: Cluster | undefined): Promise<never> {
  const shells = [
    ...lab.nodes.flatMap(({ name, namespace, pod }) => [
      [`  ${name}`, namespace.enter],
      [`    its pod`, pod.enter],
    ]),
    ...lab.peers.map(({ name, namespace }) => [`  ${name}`, namespace.enter]),
  ];
  const objects = cluster
    ? [cluster.server.kubectlCommand().join(" "), "edit a Node or Peer"]
    : [lab.manifests.directory, "change a file"];
  console.log(`${bold("The lab stands until Ctrl-C.")} In another terminal:

${table([["  a shell on", ""], ...shells])}

  ${dim("there:")} wg show, ip route, ip rule, nft list ruleset, ping ${lab.nodes[0]!.podAddress}
  ${dim("the cluster:")} ${objects[0]} ${dim(`(${objects[1]}, and the mesh follows)`)}
  ${dim("logs:")} ${lab.directory}/*.log
`);
  return await new Promise(() => {});
}

/** Rejects when a person, or the system, wants this to end. */
function interruption(): Promise<never> {
  return new Promise((_, reject) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      Deno.addSignalListener(signal, () => reject(new Refusal("\ninterrupted")));
    }
  });
}

await main(async () => {
  const unknown = Deno.args.filter((arg) => !OPTIONS.includes(arg as Option));
  if (unknown.length > 0) {
    throw new Refusal(`the demo knows ${OPTIONS.join(" and ")}; not ${unknown.join(" ")}`);
  }
  const options = new Set(Deno.args as Option[]);
  const start = performance.now();
  await provisionLab(options.has("--kubernetes") ? ["openssl"] : []);
  const resources = new AsyncDisposableStack();
  try {
    await Promise.race([demo(options, resources), interruption()]);
  } finally {
    await step("everything is taken down", () => resources.disposeAsync());
  }
  console.log(
    `\n${cyan("done")} ${dim(`in ${((performance.now() - start) / 1000).toFixed(1)} s`)}`,
  );
});
