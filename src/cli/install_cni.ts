/** `kg install-cni`: what the init container `install-cni` of the original's manifests does. */

import { newConflist } from "../agent/cni.ts";
import { ensureForwarding } from "../agent/forwarding.ts";
import { Host } from "../dataplane/host.ts";
import { mtuOf } from "../dataplane/interface.ts";
import { Connection } from "../netlink/connection.ts";
import { NETLINK_ROUTE, Socket } from "../netlink/socket.ts";
import { installCNI } from "../node/install_cni.ts";
import { command } from "./command.ts";
import { decimalOr, text } from "./flag.ts";
import { type FlagValues, UsageError } from "./flags.ts";

const FLAGS = {
  "plugins": text("/opt/cni/bin", { placeholder: "directory", help: "the plugins to copy" }),
  "cni-bin-dir": text("/host/opt/cni/bin", {
    placeholder: "directory",
    help: "the host's directory of CNI plugins",
  }),
  "cni-conf-dir": text("/host/etc/cni/net.d", {
    placeholder: "directory",
    help: "the host's directory of CNI configurations",
  }),
  "cni-conf-name": text("10-kilo.conflist", {
    placeholder: "name",
    help: "the configuration that is written if it is not there",
    check: (name) => {
      if (name.includes("/")) throw new UsageError("--cni-conf-name: a file name has no slash");
    },
  }),
  "cni-conf": text(undefined, {
    placeholder: "file",
    help: "what is written there (default $CNI_NETWORK_CONFIG, else a bridge with host-local)",
  }),
  "mtu": decimalOr("auto", { min: 1, help: "MTU of pods in the default configuration" }),
};

export const installCni = command({
  name: "install-cni",
  summary: "Put the CNI plugins and a first configuration onto this host, and let it forward.",
  flags: FLAGS,
  run: async (values, { output }) => {
    const { done, warnings } = await installCNI({
      plugins: values.plugins,
      binDirectory: values.cniBinDir,
      configDirectory: values.cniConfDir,
      configName: values.cniConfName,
      config: await configOf(values),
    });
    for (const sentence of done) output.out(sentence);
    const notForwarding = ensureForwarding([4, 6]).map(({ text }) => text);
    for (const sentence of [...warnings, ...notForwarding]) output.error(`Warning: ${sentence}`);
  },
});

/** The text to write; an unparsable one is refused, since the container runtime would refuse it. */
async function configOf({ cniConf, mtu }: FlagValues<typeof FLAGS>): Promise<string> {
  const [text, source] = cniConf !== undefined
    ? [await Deno.readTextFile(cniConf), cniConf]
    : [Deno.env.get("CNI_NETWORK_CONFIG"), "$CNI_NETWORK_CONFIG"];
  if (!text) return newConflist({ mtu: podMTU(mtu) });
  try {
    JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${source} is no JSON: ${(error as Error).message}`);
  }
  return text.endsWith("\n") ? text : `${text}\n`;
}

/** Bytes. */
function podMTU(mtu: number | "auto"): number {
  if (mtu !== "auto") return mtu;
  using connection = new Connection(Socket.open(NETLINK_ROUTE));
  return mtuOf(new Host(connection), { name: "kilo0", mtu });
}
