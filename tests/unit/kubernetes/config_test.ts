import assert from "node:assert/strict";
import { parseServer } from "../../../src/kubernetes/config.ts";
import { ConfigError } from "../../../src/kubernetes/error.ts";
import { inClusterConfig } from "../../../src/kubernetes/in_cluster.ts";
import { loadConfig } from "../../../src/kubernetes/load_config.ts";
import { compareResourceVersions } from "../../../src/kubernetes/object.ts";

Deno.test("parseServer() takes hosts with and without scheme and port, and keeps a path", () => {
  const parsed = (text: string) => parseServer(text, "it").href;
  assert.equal(parsed("https://h"), "https://h/");
  assert.equal(parsed("h:8080"), "http://h:8080/");
  assert.equal(parsed("127.0.0.1:8080"), "http://127.0.0.1:8080/");
  assert.equal(parsed("https://[::1]:6443"), "https://[::1]:6443/");
  assert.equal(parsed("https://h/k8s/clusters/c//"), "https://h/k8s/clusters/c/");
  assert.throws(() => parsed("https://"), ConfigError);
});

Deno.test("inClusterConfig() takes the service's address, and the account's files", () => {
  const of = (variables: Record<string, string>) => inClusterConfig((name) => variables[name]);
  const config = of({ KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "443" });
  assert.equal(config.server.href, "https://[fd00::1]/");
  assert.deepEqual(config.authorization, {
    tokenFile: "/var/run/secrets/kubernetes.io/serviceaccount/token",
  });
  assert.throws(() => of({ KUBERNETES_SERVICE_HOST: "10.0.0.1" }), /not a pod/);
});

Deno.test("loadConfig() takes a server alone without any credentials", async () => {
  const config = await loadConfig({ master: "http://127.0.0.1:8001" });
  assert.equal(config.server.href, "http://127.0.0.1:8001/");
  assert.equal(config.authorization, undefined);
});

Deno.test("compareResourceVersions() compares as numbers of any size", () => {
  assert.ok(compareResourceVersions("9", "10") < 0);
  assert.ok(compareResourceVersions("18446744073709551615", "18446744073709551614") > 0);
  assert.equal(compareResourceVersions("7", "7"), 0);
});
