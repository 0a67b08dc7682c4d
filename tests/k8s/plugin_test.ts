/** Credential plugins: kgctl starts them, the agent cannot. */

import assert from "node:assert/strict";
import { build } from "../../tools/build.ts";
import { exists, isRoot } from "../../tools/provision.ts";
import { Agent } from "../lab/agent.ts";
import { Namespace } from "../lab/namespace.ts";
import { ADMIN_TOKEN, ApiServer } from "./api_server.ts";
import { node, peer } from "./objects.ts";

const VERSIONS = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];
const MANIFESTS = new URL("../../manifests", import.meta.url).pathname;
const KEY = "GY5aT1N9dTR/nJnT1N2f4ClZWVj0jOAld0r8ysWLyjg=";

let server: ApiServer;
let directory: string;

Deno.test.beforeAll(async () => {
  directory = await Deno.makeTempDir({ prefix: "kg-plugin-" });
  await Deno.copyFile(await build(), `${directory}/kg`);
  await Deno.symlink("kg", `${directory}/kgctl`);
  server = await ApiServer.start();
  await server.kubectl(["apply", "-f", `${MANIFESTS}/crds.yaml`]);
  await server.kubectl(["wait", "--for=condition=Established", "crd/peers.kilo.squat.ai"]);
  const annotations = {
    "kilo.squat.ai/key": KEY,
    "kilo.squat.ai/endpoint": "192.0.2.1:51820",
    "kilo.squat.ai/granularity": "location",
    "kilo.squat.ai/last-seen": `${Math.floor(Date.now() / 1000) + 3600}`,
  };
  const spec = { allowedIPs: ["10.5.0.1/32"], publicKey: KEY };
  const objects = [node("a", { podCIDR: "10.42.0.0/24", annotations }), peer("laptop", spec)];
  await server.kubectl(["apply", "-f", "-"], objects);
});

Deno.test.afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await Deno.remove(directory, { recursive: true });
});

/** A shell script in the directory; its last line ends in a newline of its own. */
async function script(name: string, text: string): Promise<string> {
  const path = `${directory}/${name}`;
  await Deno.writeTextFile(path, `#!/bin/sh\n${text}\n`);
  await Deno.chmod(path, 0o755);
  return path;
}

/** What a plugin prints; `status` is JSON. */
function printing(status: Readonly<Record<string, unknown>>, apiVersion = VERSIONS[0]): string {
  return `printf %s '${JSON.stringify({ kind: "ExecCredential", apiVersion, status })}'`;
}

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(
  program: "kg" | "kgctl",
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ran> {
  const { code, stdout, stderr } = await new Deno.Command(`${directory}/${program}`, {
    args: [...args],
    env: { PATH: Deno.env.get("PATH")!, HOME: directory, ...env },
    clearEnv: true,
    cwd: "/",
    stdin: "null",
  }).output();
  const [out, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, stdout: out!, stderr: errors! };
}

/** Runs `kgctl graph` with a user that has this plugin. */
async function graph(
  exec: Readonly<Record<string, unknown>>,
  { env, server: url }: { env?: Record<string, string>; server?: string } = {},
): Promise<Ran> {
  const whole = { apiVersion: VERSIONS[0], interactiveMode: "Never", ...exec };
  const options = url === undefined ? {} : { server: url };
  const kubeconfig = await server.writeKubeconfig("plugin", { exec: whole }, options);
  return await run("kgctl", ["graph", "--kubeconfig", kubeconfig], env);
}

async function assertWorks(ran: Promise<Ran>): Promise<void> {
  const { code, stdout, stderr } = await ran;
  assert.equal(code, 0, stderr);
  assert.match(stdout, /digraph/);
}

/** Fails with a message that has nothing of what the plugin printed. */
async function assertFails(ran: Promise<Ran>, message: RegExp): Promise<void> {
  const { code, stdout, stderr } = await ran;
  assert.deepEqual([code, stdout], [1, ""]);
  assert.match(stderr, message);
  assert.doesNotMatch(stderr, /s3cret/);
}

Deno.test("kgctl takes a token from a plugin of either version, with its arguments and environment", async () => {
  for (const apiVersion of VERSIONS) {
    const path = await script(
      "token",
      `[ "$1 $2" = "--region x y" ] && [ "$MORE" = yes ] && [ "$https_proxy" = "" ] || exit 9
      echo "$KUBERNETES_EXEC_INFO" >${directory}/info
      cat <<END
      {"kind": "ExecCredential", "apiVersion": "${apiVersion}", "status": {"token": "${ADMIN_TOKEN}"}}
END`,
    );
    const exec = { apiVersion, command: path, args: ["--region", "x y"] };
    const env = [{ name: "MORE", value: "yes" }];
    await assertWorks(graph({ ...exec, env, provideClusterInfo: true }));
    const info = JSON.parse(await Deno.readTextFile(`${directory}/info`));
    assert.deepEqual(info, {
      kind: "ExecCredential",
      apiVersion,
      spec: { interactive: false, cluster: { server: server.url } },
    });
  }
});

Deno.test("kgctl finds a plugin in $PATH, or beside the kubeconfig", async () => {
  const status = { token: ADMIN_TOKEN };
  const path = await script("in-path", printing(status));
  const env = { PATH: `${directory}:${Deno.env.get("PATH")}` };
  await assertWorks(graph({ command: "in-path" }, { env }));
  await Deno.copyFile(path, `${server.directory}/beside`);
  await assertWorks(graph({ command: "./beside" }));
});

Deno.test("kgctl hands a plugin the proxies of the environment, which are not for a server nearby", async () => {
  const check = `[ "$HTTPS_PROXY" = http://127.0.0.1:1 ] || exit 9`;
  const command = await script("proxies", `${check}\n${printing({ token: ADMIN_TOKEN })}`);
  const env = { HTTPS_PROXY: "http://127.0.0.1:1", HTTP_PROXY: "http://127.0.0.1:1" };
  await assertWorks(graph({ command }, { env }));
});

Deno.test("kgctl takes a certificate and key from a plugin", async () => {
  const subject = "/O=system:masters/CN=plugin";
  const { certificate, key } = await server.authority.issue("plugin", { subject });
  const pair = {
    clientCertificateData: await Deno.readTextFile(certificate),
    clientKeyData: await Deno.readTextFile(key),
  };
  await Deno.writeTextFile(
    `${directory}/pair.json`,
    JSON.stringify({ kind: "ExecCredential", apiVersion: VERSIONS[0], status: pair }),
  );
  await assertWorks(graph({ command: await script("pair", `cat ${directory}/pair.json`) }));
});

Deno.test("kgctl asks a plugin again when the token has expired or is refused", async () => {
  const count = `echo >>${directory}/calls`;
  const bad = printing({ token: "outdated" }), good = printing({ token: ADMIN_TOKEN });
  const isFirst = `[ $(wc -l <${directory}/calls) = 1 ]`;
  const command = await script("second", `${count}\nif ${isFirst}; then ${bad}; else ${good}; fi`);
  await assertWorks(graph({ command }));
  assert.equal((await Deno.readTextFile(`${directory}/calls`)).length, 2);
  await Deno.remove(`${directory}/calls`);
  const status = { token: "outdated", expirationTimestamp: "2020-01-01T00:00:00Z" };
  const expired = `if ${isFirst}; then ${printing(status)}; else ${good}; fi`;
  await assertWorks(graph({ command: await script("expired", `${count}\n${expired}`) }));
});

Deno.test("kgctl says what is wrong with a plugin, and nothing of what it printed", async () => {
  const at = (text: string, more = {}) =>
    script("broken", text).then((command) => graph({ command, ...more }));
  await assertFails(
    graph({ command: "no-such-plugin", installHint: "brew install it" }),
    /plugin no-such-plugin: there is no such program\nbrew install it/,
  );
  await assertFails(graph({ command: "/etc/passwd" }), /\/etc\/passwd: it cannot be started/);
  await assertFails(at("echo s3cret; exit 3"), /broken failed with exit code 3/);
  await assertFails(at("echo s3cret; kill -9 $$"), /broken was ended by SIGKILL/);
  await assertFails(at("echo s3cret"), /no JSON object/);
  await assertFails(at(`yes s3cret`), /printed too much/);
  await assertFails(at(printing({ token: "s3cret\r\nx" })), /the token of the plugin holds a/);
  await assertFails(
    at(printing({ clientCertificateData: "s3cret", clientKeyData: "s3cret" })),
    /the certificate of \S+broken holds no PEM certificate/,
  );
  await assertFails(at(printing({ token: "t" }, VERSIONS[1])), /did not print an ExecCredential/);
  await assertFails(at("true", { interactiveMode: "Always" }), /must be run at a terminal/);
  await assertFails(graph({ command: "x", apiVersion: "v1alpha1" }), /apiVersion that is not/);
});

Deno.test({
  name: "neither the agent nor clean-up starts a plugin",
  ignore: !isRoot(),
  fn: async () => {
    const command = await script("agent", `touch ${directory}/ran\n${printing({ token: "t" })}`);
    const exec = { apiVersion: VERSIONS[0], interactiveMode: "Never", command };
    const kubeconfig = await server.writeKubeconfig("agent", { exec });
    const setup = "ip address add 192.0.2.1 dev lo\nmount -t tmpfs tmpfs /var/lib";
    const namespace = await Namespace.open("plugin", setup);
    try {
      const kg = [`${directory}/kg`, "--kubeconfig", kubeconfig, "--hostname=a"];
      const flags = "--create-interface=false --cni=false".split(" ");
      const logFile = `${directory}/agent.log`;
      for (const args of [flags, ["clean-up", ...flags]]) {
        const agent = Agent.start(namespace, [...kg, ...args], { logFile });
        assert.equal((await agent.end()).code, 1, agent.output);
        assert.match(agent.output, /user \\?"agent\\?" has exec, which the agent does not support/);
      }
      assert.ok(!exists(`${directory}/ran`));
    } finally {
      await Namespace.end([namespace]);
    }
  },
});
