/** `kg kubeconfig`: what the init container `generate-kubeconfig` of the original's k3s manifest does. */

import { dump } from "js-yaml";
import { replaceFile } from "../files/replace.ts";
import { parseKubeconfig } from "../kubernetes/kubeconfig.ts";
import { text as textOf } from "../kubernetes/kubeconfig_entry.ts";
import { readText } from "../kubernetes/read_text.ts";
import { command } from "./command.ts";
import { text } from "./flag.ts";
import { type FlagValues, UsageError } from "./flags.ts";

const AGENT = "/var/lib/rancher/k3s/agent";

const FLAGS = {
  "output": text(undefined, {
    placeholder: "file",
    help: "write it there, readable by the owner alone (default: print it)",
  }),
  "server": text(undefined, {
    placeholder: "URL",
    help: `the API server (default: the one of ${AGENT}/kubelet.kubeconfig)`,
  }),
  "server-from": text(`${AGENT}/kubelet.kubeconfig`, {
    placeholder: "file",
    help: "the kubeconfig whose server is taken",
  }),
  "certificate-authority": text(`${AGENT}/server-ca.crt`, {
    placeholder: "file",
    help: "the CA of the API server",
  }),
  "token-file": text("/var/run/secrets/kubernetes.io/serviceaccount/token", {
    placeholder: "file",
    help: "the token; the agent reads it again when it is renewed",
  }),
};

export const podKubeconfig = command({
  name: "kubeconfig",
  summary: "Make a kubeconfig of the node's API server and the pod's service account.",
  flags: FLAGS,
  run: async (values, { output }) => {
    const config = dump(await kubeconfigOf(values));
    if (values.output === undefined) return output.out(config.trimEnd());
    await replaceFile(values.output, config, { mode: 0o600 });
  },
});

async function kubeconfigOf(values: FlagValues<typeof FLAGS>): Promise<unknown> {
  const name = "kilo";
  return {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{
      name,
      cluster: {
        server: values.server ?? await serverOf(values.serverFrom),
        "certificate-authority": values.certificateAuthority,
      },
    }],
    users: [{ name, user: { tokenFile: values.tokenFile } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    "current-context": name,
  };
}

/** The server that a kubeconfig's first cluster names. Throws a {@link UsageError}, or a `ConfigError`. */
async function serverOf(path: string): Promise<string> {
  const [cluster] = parseKubeconfig(await readText(path), path).entries.cluster.values();
  const server = cluster && textOf(cluster, "server");
  if (server === undefined) throw new UsageError(`${path} names no server`);
  return server;
}
