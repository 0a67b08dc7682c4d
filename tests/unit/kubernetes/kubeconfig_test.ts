import assert from "node:assert/strict";
import type { ClientConfig } from "../../../src/kubernetes/config.ts";
import { ConfigError } from "../../../src/kubernetes/error.ts";
import { configOf, mergeKubeconfigs, parseKubeconfig } from "../../../src/kubernetes/kubeconfig.ts";
import { loadConfig } from "../../../src/kubernetes/load_config.ts";

/** A kubeconfig with one of everything, its cluster and user as given. */
function file(
  { cluster = {}, user = {}, context = "c" }: {
    cluster?: Record<string, unknown>;
    user?: Record<string, unknown>;
    context?: string;
  } = {},
): string {
  return JSON.stringify({
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": context,
    "clusters": [{ name: "one", cluster: { server: "https://api:6443", ...cluster } }],
    "users": [{ name: "me", user }],
    "contexts": [{ name: "c", context: { cluster: "one", user: "me" } }],
  });
}

function configFrom(text: string, master?: string): ClientConfig {
  return configOf(parseKubeconfig(text, "/etc/k/config"), master);
}

function refused(text: string, message: RegExp): void {
  assert.throws(() => configFrom(text), (error) => {
    assert.ok(error instanceof ConfigError);
    assert.match(error.message, message);
    assert.doesNotMatch(error.message, /s3cret/);
    return true;
  });
}

const base64 = (text: string) => new TextEncoder().encode(text).toBase64();

Deno.test("configOf() takes server, authority and credentials from files beside the kubeconfig", () => {
  const config = configFrom(file({
    cluster: { "certificate-authority": "pki/ca.crt" },
    user: { "client-certificate": "/abs/me.crt", "client-key": "me.key", "tokenFile": "token" },
  }));
  assert.deepEqual({ ...config, server: config.server.href }, {
    server: "https://api:6443/",
    ca: { path: "/etc/k/pki/ca.crt" },
    identity: { certificate: { path: "/abs/me.crt" }, key: { path: "/etc/k/me.key" } },
    authorization: { tokenFile: "/etc/k/token" },
  });
});

Deno.test("configOf() takes inline data before files", () => {
  const config = configFrom(file({
    cluster: { "certificate-authority": "ca.crt", "certificate-authority-data": base64("CA") },
    user: { "client-certificate-data": base64("CERT"), "client-key-data": base64("KEY") },
  }));
  assert.deepEqual(config.ca, { text: "CA" });
  assert.deepEqual(config.identity, { certificate: { text: "CERT" }, key: { text: "KEY" } });
});

Deno.test("configOf() knows tokens, passwords and proxies", () => {
  assert.deepEqual(configFrom(file({ user: { token: "t" } })).authorization, { token: "t" });
  assert.deepEqual(
    configFrom(file({ user: { token: "t", tokenFile: "/f" } })).authorization,
    { token: "t", tokenFile: "/f" },
  );
  assert.deepEqual(
    configFrom(file({ user: { username: "u", password: "p" } })).authorization,
    { username: "u", password: "p" },
  );
  assert.equal(configFrom(file({ cluster: { "proxy-url": "http://p:1" } })).proxy, "http://p:1");
  assert.deepEqual(Object.keys(configFrom(file())), ["server"]);
});

Deno.test("configOf() lets --master take the place of the server, with or without a context", () => {
  const config = configFrom(file({ user: { token: "t" } }), "https://[fd00::1]:6443/base");
  assert.equal(config.server.href, "https://[fd00::1]:6443/base/");
  assert.deepEqual(config.authorization, { token: "t" });
  assert.equal(configFrom("", "http://there:8080").server.href, "http://there:8080/");
});

Deno.test("configOf() refuses what cannot be done here, naming it", () => {
  refused(file({ cluster: { "insecure-skip-tls-verify": true } }), /insecure-skip-tls-verify/);
  refused(file({ cluster: { "tls-server-name": "x" } }), /cluster "one" has tls-server-name/);
  refused(file({ user: { "auth-provider": { name: "gcp" } } }), /auth-provider/);
  refused(file({ user: { as: "admin" } }), /impersonated/);
  assert.doesNotThrow(() =>
    configFrom(file({ cluster: { "insecure-skip-tls-verify": false }, user: { exec: null } }))
  );
});

Deno.test("configOf() takes https for a server without a scheme, where there is something to protect", () => {
  const server = (cluster: Record<string, unknown>, user: Record<string, unknown> = {}) =>
    configFrom(file({ cluster: { server: "host:6443", ...cluster }, user })).server.href;
  assert.equal(server({ "certificate-authority": "ca.crt" }), "https://host:6443/");
  assert.equal(server({}, { "client-certificate": "c", "client-key": "k" }), "https://host:6443/");
  assert.equal(server({}, { token: "t" }), "https://host:6443/");
  assert.equal(server({}, { username: "u" }), "https://host:6443/");
  assert.equal(server({}), "http://host:6443/", "as client-go");
  const text = file({ cluster: { "certificate-authority": "ca.crt" } });
  assert.equal(configFrom(text, "host:6443").server.href, "https://host:6443/", "--master too");
});

Deno.test("configOf() reads a credential plugin, its path from the kubeconfig's directory", () => {
  const exec = {
    apiVersion: "client.authentication.k8s.io/v1beta1",
    command: "./bin/plugin",
    args: ["--region", "x"],
    env: [{ name: "A", value: "b" }],
    installHint: "get it",
    provideClusterInfo: true,
  };
  const extension = { audience: "x" };
  const extensions = [{ name: "client.authentication.k8s.io/exec", extension }];
  const config = configFrom(file({ cluster: { extensions }, user: { exec } }));
  assert.deepEqual(config.exec, {
    where: '/etc/k/config: user "me"',
    apiVersion: "client.authentication.k8s.io/v1beta1",
    command: "/etc/k/./bin/plugin",
    args: ["--region", "x"],
    env: { A: "b" },
    interactiveMode: "IfAvailable",
    installHint: "get it",
    cluster: { server: "https://api:6443", config: extension },
  });
  const version = { ...exec, apiVersion: "client.authentication.k8s.io/v1", command: "aws" };
  refused(file({ user: { exec: version } }), /interactiveMode that is not Never/);
  const never = { ...version, interactiveMode: "Never" };
  assert.equal(configFrom(file({ user: { exec: never } })).exec?.command, "aws");
  refused(file({ user: { exec: { ...exec, apiVersion: "v1alpha1" } } }), /an apiVersion that is/);
  refused(file({ user: { exec: { ...exec, command: "" } } }), /user "me": exec has no command/);
  refused(file({ user: { exec: { ...exec, args: ["s3cret", 1] } } }), /argument that is not a st/);
  refused(file({ user: { exec: { ...exec, env: [{ name: "A=", value: "s3cret" }] } } }), /name/);
  refused(file({ user: { exec: "s3cret" } }), /exec is not an object/);
});

Deno.test("configOf() says what is missing or broken, and where", () => {
  refused("", /no current-context/);
  refused(file({ context: "x" }), /current-context "x" is not in/);
  refused(file({ cluster: { server: "" } }), /cluster "one" has no server/);
  refused(file({ cluster: { server: "ftp://x" } }), /server "ftp:\/\/x" is not the URL/);
  refused(file({ cluster: { server: "https://u:s3cret@x" } }), /password in it/);
  refused(file({ user: { token: 5 } }), /user "me": token is not a string/);
  refused(file({ user: { "client-key": "k" } }), /only one of/);
  refused(file({ user: { token: "s3cret", username: "u" } }), /both a token and a username/);
  refused(file({ user: { "client-key-data": "***", "client-certificate": "c" } }), /not base64/);
});

/** A kubeconfig whose cluster is written like this. */
function withCluster(yaml: string): string {
  return `${yaml}
contexts: [{name: c, context: {cluster: one}}]
current-context: c
`;
}

Deno.test("parseKubeconfig() reads YAML as kubectl does", () => {
  const merged = withCluster(`
x-base: &base
  server: https://base:1
  proxy-url: http://p:1
x-more: &more {server: "https://more:1", certificate-authority: ca.crt}
clusters:
- name: one
  cluster:
    <<: [*base, *more]
    server: https://own:1`);
  const config = configFrom(merged);
  assert.equal(config.server.href, "https://own:1/", "its own goes before what is merged");
  assert.equal(config.proxy, "http://p:1");
  assert.deepEqual(config.ca, { path: "/etc/k/ca.crt" });
  const server = (yaml: string) => configFrom(yaml).server.href;
  const cluster = "cluster: {server: https://a:1}";
  const first = withCluster("clusters: [{name: one, <<: {cluster: {server: 'https://b:1'}}}]");
  assert.equal(server(first), "https://b:1/");
  assert.equal(
    server(withCluster(`clusters: [{name: one, ${cluster}, cluster: {server: https://b:1}}]`)),
    "https://b:1/",
    "of two equal keys the last",
  );
  const one = withCluster(`clusters: [{name: one, ${cluster}}]`);
  assert.equal(server(`---\n${one}---\nnonsense: [\n`), "https://a:1/", "only the first document");
  assert.equal(server(`# comment\n\n---\n${one}...\n`), "https://a:1/");
  assert.equal(server(`\ufeff%YAML 1.1\n--- \n${one}\n---\n`), "https://a:1/");
  refused(`---\n---\n${one}`, /no current-context/);
  refused(withCluster("clusters: [{name: one, cluster: *s3cret}]"), /not YAML: .* in line \d/);
  refused("a: !<s3cret> b", /not YAML/);
  refused("a: !s3cret b", /not YAML/);
});

Deno.test("parseKubeconfig() says which line is no YAML, and shows nothing of it", () => {
  refused("users:\n- name: me\n  user: {token: s3cret\n", /config is not YAML: .* in line \d/);
  refused("[]", /config is not an object/);
  refused("clusters: {}", /clusters is not a list/);
  refused("users: [{user: {}}]", /users\[0\] has no name/);
});

Deno.test("mergeKubeconfigs() lets the first file win, entry by entry", () => {
  const first = parseKubeconfig(
    JSON.stringify({
      users: [{ name: "me", user: { token: "first" } }],
      contexts: [{ name: "c", context: { cluster: "one", user: "me" } }],
    }),
    "/a/config",
  );
  const second = parseKubeconfig(file({ user: { token: "second", tokenFile: "t" } }), "/b/config");
  const config = configOf(mergeKubeconfigs([first, second]), undefined);
  assert.equal(config.server.href, "https://api:6443/", "what only the second has");
  assert.deepEqual(config.authorization, { token: "first" }, "a whole entry, not field by field");
});

Deno.test("loadConfig() merges those of several files that are there; a single one must be", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const [none, real] = [`${directory}/none`, `${directory}/real`];
    await Deno.writeTextFile(real, file());
    const config = await loadConfig({ kubeconfig: [none, real] });
    assert.equal(config.server.href, "https://api:6443/");
    await assert.rejects(
      loadConfig({ kubeconfig: [none] }),
      new ConfigError(`there is no kubeconfig: ${none}`),
    );
    await assert.rejects(loadConfig({ kubeconfig: none }), /none cannot be read/);
    await assert.rejects(loadConfig({ kubeconfig: [directory, real] }), /cannot be read/);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
