/** Where the configuration comes from: files that were named, or the cluster around us. */

import type { ClientConfig } from "./config.ts";
import { parseServer } from "./config.ts";
import { ConfigError } from "./error.ts";
import { inClusterConfig } from "./in_cluster.ts";
import { configOf, type Kubeconfig, mergeKubeconfigs, parseKubeconfig } from "./kubeconfig.ts";

export interface ConfigSource {
  /** One file, which must be there; or several, of which those that are there are merged. */
  readonly kubeconfig?: string | readonly string[] | undefined;
  /** URL of the API server; alone it is all there is, without the service account. */
  readonly master?: string | undefined;
}

/** From the named files, else the named server, else the pod's service account; {@link ConfigError}. */
export async function loadConfig(source: ConfigSource): Promise<ClientConfig> {
  const { kubeconfig } = source;
  const master = source.master || undefined;
  if (typeof kubeconfig === "object") return configOf(await readMerged(kubeconfig), master);
  if (kubeconfig) return configOf(await readKubeconfig(kubeconfig), master);
  return master ? { server: parseServer(master, "--master") } : inClusterConfig();
}

/** As kubectl reads `$KUBECONFIG`. */
async function readMerged(paths: readonly string[]): Promise<Kubeconfig> {
  const files: Kubeconfig[] = [];
  for (const path of new Set(paths)) {
    try {
      files.push(await readKubeconfig(path));
    } catch (error) {
      const isMissing = error instanceof ConfigError && error.cause instanceof Deno.errors.NotFound;
      if (!isMissing) throw error;
    }
  }
  if (files.length === 0) throw new ConfigError(`there is no kubeconfig: ${paths.join(", ")}`);
  return mergeKubeconfigs(files);
}

async function readKubeconfig(path: string): Promise<Kubeconfig> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (cause) {
    throw new ConfigError(`the kubeconfig ${path} cannot be read`, { cause });
  }
  return parseKubeconfig(text, path);
}
