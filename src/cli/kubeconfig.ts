/** `--kubeconfig` of the commands that people run, and where it is if they don't say. */

import { type Flag, text } from "./flag.ts";

/** Unlike the agent's, an empty one is said on purpose: it means the service account of a pod. */
export const KUBECONFIG_FLAG: Flag<string | undefined> = {
  ...text(undefined, {
    placeholder: "file",
    help: "how to reach the API server; empty: as a pod (default $KUBECONFIG, else ~/.kube/config)",
  }),
  read: (path) => path,
};

/**
 * One file that must be there, or several of which those that are there count, or undefined: the
 * service account. As kubectl has it, but where nothing of `$KUBECONFIG` is there, the file in the
 * home directory counts.
 */
export function chooseKubeconfig(
  given: string | undefined,
  environment: (name: string) => string | undefined = Deno.env.get,
): string | readonly string[] | undefined {
  if (given !== undefined) return given || undefined;
  const named = (environment("KUBECONFIG") ?? "").split(":").filter((path) => path !== "");
  if (named.some(isThere)) return named;
  return [...named, `${environment("HOME") || "~"}/.kube/config`];
}

/** What cannot be looked at may be there: reading it will tell why not. */
function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    return !(error instanceof Deno.errors.NotFound);
  }
}
