/** Which backends there are: a new one is a folder, a kind and a case here. */

import type { ExecPlugin } from "../kubernetes/exec.ts";
import type { Backend } from "./backend.ts";
import { FileBackend } from "./file/backend.ts";
import { KubernetesBackend } from "./kubernetes/backend.ts";

export type BackendChoice =
  | { readonly kind: "file"; readonly path: string }
  | {
    readonly kind: "kubernetes";
    /** One file, or several to be merged; undefined: the service account. */
    readonly kubeconfig: string | readonly string[] | undefined;
    readonly master: string | undefined;
    /** Starts credential plugins; agents have none. */
    readonly plugin?: ExecPlugin;
  };

/** Makes the backend that was asked for; it does nothing before its `start`. */
export function openBackend(
  choice: BackendChoice,
  options: {
    /** The Node this agent stands for. */
    readonly hostname: string;
    /** Node label that names the location. */
    readonly topologyLabel: string;
    /** Milliseconds. */
    readonly resyncPeriod: number;
    /** Both lists are read once, and not followed. */
    readonly isOnce?: boolean;
  },
): Backend {
  switch (choice.kind) {
    case "file":
      return new FileBackend(choice.path, options);
    case "kubernetes":
      return new KubernetesBackend(choice, options);
  }
}
