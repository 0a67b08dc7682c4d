/** Where the configuration comes from: files that were named, or the cluster around us. */

import type { ClientConfig } from "./config.ts";
import { parseServer } from "./config.ts";
import { ConfigError } from "./error.ts";
import { inClusterConfig } from "./in_cluster.ts";
import { configOf, type Kubeconfig, mergeKubeconfigs, parseKubeconfig } from "./kubeconfig.ts";

export interface ConfigSource {
  /** One file, which must be there. */
  readonly kubeconfig?: string | undefined;
  /** URL of the API server; alone it is all there is, without the service account. */
  readonly master?: string | undefined;
}

/** From the named file, else the named server, else the pod's service account; {@link ConfigError}. */
export async function loadConfig({ kubeconfig, master }: ConfigSource): Promise<ClientConfig> {
  if (kubeconfig) return configOf(await readKubeconfig(kubeconfig), master || undefined);
  return master ? { server: parseServer(master, "--master") } : inClusterConfig();
}

/** As kubectl reads `$KUBECONFIG`: of these files those that exist, merged. */
export async function loadMergedConfig(
  paths: readonly string[],
  { master }: { readonly master?: string | undefined } = {},
): Promise<ClientConfig> {
  const files: Kubeconfig[] = [];
  for (const path of new Set(paths.filter((path) => path !== ""))) {
    try {
      files.push(await readKubeconfig(path));
    } catch (error) {
      if (!(error instanceof ConfigError && error.cause instanceof Deno.errors.NotFound)) {
        throw error;
      }
    }
  }
  if (files.length === 0 && !master) {
    throw new ConfigError(`there is no kubeconfig: ${paths.join(", ")}`);
  }
  return configOf(mergeKubeconfigs(files), master);
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
