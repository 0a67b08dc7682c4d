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

Deno.test("parseServer() takes https without a scheme where there are certificates or credentials", () => {
  const parsed = (text: string, hasCertificates: boolean, hasCredentials: boolean) =>
    parseServer(text, "it", { hasCertificates, hasCredentials }).origin;
  assert.equal(parsed("host:6443", true, false), "https://host:6443");
  assert.equal(parsed("127.0.0.1:6443", true, true), "https://127.0.0.1:6443", "as client-go");
  assert.equal(parsed("[fd00::1]:6443", true, true), "https://[fd00::1]:6443");
  assert.equal(parsed("host:6443", false, true), "https://host:6443", "nothing in clear");
  assert.equal(parsed("127.0.0.1:8080", false, true), "http://127.0.0.1:8080");
  assert.equal(parsed("[::1]:8080", false, true), "http://[::1]:8080");
  assert.equal(parsed("localhost:8080", false, true), "http://localhost:8080");
  assert.equal(parsed("localhost.example", false, true), "https://localhost.example");
  assert.equal(parsed("http://host", true, true), "http://host", "it was written out");
});

Deno.test("parseServer() shows nothing of a URL that may hold a password", () => {
  const texts = [
    "https://u:s3cret@h:99999",
    "https://u:s3cret@h:x",
    "https://u:s3cr@et@",
    "https://u:s3cret@h",
    "u:s3cret@h:99999",
    "https://h:99999/?token=s3cret",
    "https://h:99999/#s3cret",
    "ftp://u:s3cret@h",
  ];
  for (const text of texts) {
    assert.throws(() => parseServer(text, "the server"), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, /^the server (is not the URL|has a password in it)/, text);
      assert.doesNotMatch(error.message, /s3cr/);
      return true;
    });
  }
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
