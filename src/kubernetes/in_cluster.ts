/** The way to the API server that every pod is given: two variables and the service account. */

import type { ClientConfig } from "./config.ts";
import { parseServer } from "./config.ts";
import { ConfigError } from "./error.ts";

const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/** Throws {@link ConfigError} outside of a cluster. The token file is read for each request. */
export function inClusterConfig(
  environment: (name: string) => string | undefined = Deno.env.get,
  { serviceAccount = SERVICE_ACCOUNT }: { readonly serviceAccount?: string } = {},
): ClientConfig {
  const host = environment("KUBERNETES_SERVICE_HOST");
  const port = environment("KUBERNETES_SERVICE_PORT");
  if (!host || !port) {
    throw new ConfigError(
      "no kubeconfig was given and this is not a pod (KUBERNETES_SERVICE_HOST and " +
        "KUBERNETES_SERVICE_PORT are not both set): which API server?",
    );
  }
  const authority = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  return {
    server: parseServer(`https://${authority}`, "KUBERNETES_SERVICE_HOST"),
    ca: { path: `${serviceAccount}/ca.crt` },
    authorization: { tokenFile: `${serviceAccount}/token` },
  };
}
