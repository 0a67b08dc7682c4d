import { dump } from "js-yaml";
import { asPeerConfig, deviceConfig, peerConfig } from "../mesh/config.ts";
import { peerObject } from "../mesh/write_peer.ts";
import { formatConf } from "../net/conf.ts";
import type { DeviceConfig, PeerConfig } from "../net/device.ts";
import { formatPrefix, type Prefix } from "../net/prefix.ts";
import { quote } from "../net/text.ts";
import { command, type Output } from "./command.ts";
import { boolean, choice, cidrs } from "./flag.ts";
import { type FlagValues, UsageError } from "./flags.ts";
import { MESH_FLAGS, readMesh } from "./mesh.ts";

const FLAGS = {
  ...MESH_FLAGS,
  "as-peer": boolean(false, { help: "show it as a peer of another WireGuard interface" }),
  "output": choice("wireguard", {
    letter: "o",
    words: ["wireguard", "json", "yaml"],
    help: "with --as-peer: a configuration, or a Peer object",
  }),
  "allowed-ips": cidrs({ help: "with --as-peer: more to reach through it" }),
};

type Values = FlagValues<typeof FLAGS>;

export const showconf = command({
  name: "showconf",
  summary: "Print the WireGuard configuration of a node or of a Peer.",
  flags: FLAGS,
  operands: "node|peer NAME",
  usageOnError: true,
  startsPrograms: true,
  run: async (values, { args, output }) => {
    const [kind, name] = args;
    if (args.length !== 2 || (kind !== "node" && kind !== "peer")) {
      throw new UsageError("node NAME or peer NAME is expected");
    }
    await (kind === "node" ? showNode : showPeer)(name!, { values, output });
  },
});

interface ShowOptions {
  readonly values: Values;
  readonly output: Output;
}

async function showNode(name: string, { values, output }: ShowOptions): Promise<void> {
  const { topology } = await readMesh(values, { node: name, output });
  if (!topology.isLeader) return output.error(`Node ${quote(name)} is not a leader node`);
  if (values.asPeer) return showAsPeer({ name, ...asPeerConfig(topology) }, { values, output });
  showConf(deviceConfig(topology, { listenPort: values.port }), output);
}

async function showPeer(name: string, { values, output }: ShowOptions): Promise<void> {
  const { topology, peers } = await readMesh(values, { output });
  const peer = peers.find((peer) => peer.name === name);
  if (!peer) throw new Error(`did not find any peer named ${quote(name)} in the cluster`);
  if (values.asPeer) return showAsPeer(peer, { values, output });
  showConf(peerConfig(topology, peer), output);
}

function showAsPeer(
  peer: PeerConfig & { readonly name: string },
  { values, output }: ShowOptions,
): void {
  const allowedIPs = withoutDuplicates([...peer.allowedIPs, ...values.allowedIps]);
  const shown = { ...peer, allowedIPs };
  switch (values.output) {
    case "wireguard":
      return showConf({ peers: [shown] }, output);
    case "json":
      return output.out(JSON.stringify(peerObject(shown), null, 2));
    case "yaml":
      return output.out(dump(peerObject(shown), YAML_STYLE).trimEnd());
  }
}

/** As Kubernetes' own tools write it. */
const YAML_STYLE = {
  sortKeys: true,
  seqNoIndent: true,
  quoteStyle: "double",
  lineWidth: -1,
} as const;

function showConf(config: DeviceConfig, output: Output): void {
  output.out(formatConf(config).trimEnd());
}

/** Each text once, where it comes first. */
function withoutDuplicates(prefixes: readonly Prefix[]): Prefix[] {
  return [...new Map(prefixes.map((prefix) => [formatPrefix(prefix), prefix])).values()];
}
