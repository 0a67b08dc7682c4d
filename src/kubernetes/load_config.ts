/** Where the configuration comes from: files that were named, or the cluster around us. */

import type { ClientConfig } from "./config.ts";
import { parseServer } from "./config.ts";
import { readText } from "./read_text.ts";
import { ConfigError } from "./error.ts";
import type { ExecPlugin } from "./exec.ts";
import { inClusterConfig } from "./in_cluster.ts";
import { configOf, type Kubeconfig, mergeKubeconfigs, parseKubeconfig } from "./kubeconfig.ts";

export interface ConfigSource {
  /** One file, which must be there; or several, of which those that are there are merged. */
  readonly kubeconfig?: string | readonly string[] | undefined;
  /** URL of the API server; alone it is all there is, without the service account. */
  readonly master?: string | undefined;
  /** Starts credential plugins; without one they are refused. */
  readonly plugin?: ExecPlugin | undefined;
}

/** From the named files, else the named server, else the pod's service account; {@link ConfigError}. */
export function loadConfig(source: ConfigSource): Promise<ClientConfig> {
  return configReader(source)();
}

/** {@link loadConfig} as often as it is wanted: what the files hold then. */
export function configReader(source: ConfigSource): () => Promise<ClientConfig> {
  const { kubeconfig } = source;
  const master = source.master || undefined;
  const pipes = new Map<string, string>(); // there are as many as files were named
  const read = async (path: string) => parseKubeconfig(await readOnce(path, pipes), path);
  return async () => {
    if (typeof kubeconfig === "object") return configOf(await readMerged(kubeconfig, read), master);
    if (kubeconfig) return configOf(await read(kubeconfig), master);
    return master ? { server: parseServer(master, "--master") } : inClusterConfig();
  };
}

/** As kubectl reads `$KUBECONFIG`. */
async function readMerged(
  paths: readonly string[],
  read: (path: string) => Promise<Kubeconfig>,
): Promise<Kubeconfig> {
  const files: Kubeconfig[] = [];
  for (const path of new Set(paths)) {
    try {
      files.push(await read(path));
    } catch (error) {
      const isMissing = error instanceof ConfigError && error.cause instanceof Deno.errors.NotFound;
      if (!isMissing) throw error;
    }
  }
  if (files.length === 0) throw new ConfigError(`there is no kubeconfig: ${paths.join(", ")}`);
  return mergeKubeconfigs(files);
}

/** The text of a file as it is now; of a pipe (`--kubeconfig <(…)`), which ends, what it once held. */
async function readOnce(path: string, pipes: Map<string, string>): Promise<string> {
  const before = pipes.get(path);
  if (before !== undefined) return before;
  try {
    const { isFile } = await Deno.stat(path);
    const text = await readText(path);
    if (!isFile) pipes.set(path, text);
    return text;
  } catch (cause) {
    throw new ConfigError(`the kubeconfig ${path} cannot be read`, { cause });
  }
}
