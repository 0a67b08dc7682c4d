/** The programs that this one file is, and what each can do: a row a command. */

import { cleanUp } from "./clean_up.ts";
import { command, type Program } from "./command.ts";
import { boolean } from "./flag.ts";
import { graph } from "./graph.ts";
import { installCni } from "./install_cni.ts";
import { MESH_FLAGS } from "./mesh.ts";
import { podKubeconfig } from "./pod_kubeconfig.ts";
import { run } from "./run.ts";
import { showconf } from "./showconf.ts";
import { VERSION, version } from "./version.ts";
import { webhook } from "./webhook.ts";

/** For people who inspect a mesh, wherever they are. */
const TOOLS = [
  graph,
  showconf,
];

export const KG: Program = {
  root: run,
  version: VERSION,
  commands: [
    version,
    cleanUp,
    installCni,
    podKubeconfig,
    webhook,
    ...TOOLS,
  ],
};

export const KGCTL: Program = {
  root: command({
    name: "kgctl",
    summary: "Looks at a Kilo mesh.",
    flags: {
      ...MESH_FLAGS,
      "version": boolean(false, { letter: "v", help: "print the version" }),
    },
  }),
  version: `kgctl version ${VERSION}`,
  commands: TOOLS,
};

/** The program that is meant by the path or name it was started by. */
export function programCalled(path: string): Program {
  return path.slice(path.lastIndexOf("/") + 1) === KGCTL.root.name ? KGCTL : KG;
}
