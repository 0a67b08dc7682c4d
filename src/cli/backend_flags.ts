/** The flags that say where Nodes and Peers come from, for every command that reads them. */

import type { BackendChoice } from "../backend/open.ts";
import { choice, text } from "./flag.ts";
import { type FlagValues, UsageError } from "./flags.ts";

export const BACKEND_FLAGS = {
  "backend": choice("kubernetes", {
    words: ["kubernetes", "file"],
    help: "where nodes and peers come from",
  }),
  "backend-path": text(undefined, {
    placeholder: "directory",
    help: "manifests for --backend file; what the agent publishes goes to status/ in it",
  }),
};

/** What the values amount to; throws a {@link UsageError} if they don't fit together. */
export function backendChoice(
  { backend, backendPath }: FlagValues<typeof BACKEND_FLAGS>,
  kubernetes: () => Omit<Extract<BackendChoice, { kind: "kubernetes" }>, "kind">,
): BackendChoice {
  if (backend === "file") {
    if (backendPath === undefined) {
      throw new UsageError("--backend file needs --backend-path DIRECTORY");
    }
    return { kind: "file", path: backendPath };
  }
  if (backendPath !== undefined) throw new UsageError("--backend-path needs --backend file");
  return { kind: "kubernetes", ...kubernetes() };
}
