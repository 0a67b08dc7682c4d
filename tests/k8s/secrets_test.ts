/** Nothing that is read from a credential is ever in what kg and kgctl say, however it is broken. */

import assert from "node:assert/strict";
import { build } from "../../tools/build.ts";
import { isRoot } from "../../tools/provision.ts";
import { Agent } from "../lab/agent.ts";
import { ask } from "../lab/http.ts";
import { Namespace } from "../lab/namespace.ts";
import { waitFor } from "../lab/wait.ts";
import { ADMIN_TOKEN, ApiServer } from "./api_server.ts";
import { Gateway } from "./gateway.ts";
import { node } from "./objects.ts";

const ADDRESS = "192.0.2.1";
/** Part of every credential. */
const MARKER = "s3cretMARKERs3cret";
const ENCODED = new TextEncoder().encode(`u:${MARKER}`).toBase64();
const MANIFESTS = new URL("../../manifests", import.meta.url).pathname;
const V1 = "client.authentication.k8s.io/v1";

let server: ApiServer;
let namespace: Namespace;
let gateway: Gateway;
let kg: string;

Deno.test.beforeAll(async () => {
  if (!isRoot()) return;
  kg = await build();
  server = await ApiServer.start({ addresses: [ADDRESS] });
  await server.kubectl(["apply", "-f", `${MANIFESTS}/crds.yaml`]);
  await server.kubectl(["wait", "--for=condition=Established", "crd/peers.kilo.squat.ai"]);
  await server.kubectl(["apply", "-f", "-"], [node("a", { podCIDR: "10.42.7.0/24" })]);
  await Deno.symlink(kg, `${server.directory}/kgctl`);
  const setup = `ip address add ${ADDRESS} dev lo\nmount -t tmpfs tmpfs /var/lib`;
  namespace = await Namespace.open("secrets", setup);
});

/** In front of the API server, in the namespace. */
async function openGateway(): Promise<Gateway> {
  return gateway = await Gateway.open(server, { pid: namespace.pid, hostname: ADDRESS });
}

Deno.test.afterAll(async () => {
  if (!isRoot()) return;
  await Namespace.end([namespace]);
  await server[Symbol.asyncDispose]();
});

function assertSilent(text: string, what: string): void {
  for (const secret of [MARKER, ENCODED, "MARKER"]) {
    assert.ok(!text.includes(secret), `${what}: ${text}`);
  }
}

interface Kind {
  readonly user?: Readonly<Record<string, unknown>>;
  readonly cluster?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly flags?: readonly string[];
  /** The text of the kubeconfig, if it is not made of these. */
  readonly text?: string;
}

/** A file in the server's directory; answers its path. */
async function write(name: string, text: string, mode = 0o600): Promise<string> {
  const path = `${server.directory}/${name}`;
  await Deno.writeTextFile(path, text);
  await Deno.chmod(path, mode);
  return path;
}

/** Kinds of credentials, each broken or refused in its own way. */
async function kinds(): Promise<Readonly<Record<string, Kind>>> {
  const base64 = (text: string) => new TextEncoder().encode(text).toBase64();
  const { certificate } = await server.authority.issue("me", { subject: "/CN=me" });
  const key = await Deno.readTextFile(`${server.directory}/me.key`);
  const damaged = key.replace(/\n(.{30})/, `\n${MARKER}`);
  const plugin = async (name: string, status: string) => {
    const answer = `{"kind":"ExecCredential","apiVersion":"${V1}","status":${status}}`;
    const command = await write(name, `#!/bin/sh\nprintf %s '${answer}'\n`, 0o700);
    return { user: { exec: { apiVersion: V1, interactiveMode: "Never", command } } };
  };
  return {
    "a token that is refused": { user: { token: MARKER } },
    "a token file with CRLF": {
      user: { tokenFile: await write("crlf", `${MARKER}\r\n${MARKER}`) },
    },
    "a token file with more than ASCII": { user: { tokenFile: await write("utf8", `é${MARKER}`) } },
    "a token with a line break": { user: { token: `${MARKER}\nx` } },
    "a token with NUL": { user: { token: `${MARKER}\0` } },
    "a password that is refused": { user: { username: "u", password: MARKER } },
    "a password with a line break": { user: { username: "u", password: `${MARKER}\r\nx` } },
    "a token and a username": { user: { token: MARKER, username: "u" } },
    "a token that is a list": { user: { token: [MARKER] } },
    "a damaged key": {
      user: { "client-certificate": certificate, "client-key-data": base64(damaged) },
    },
    "a key that is none": {
      user: { "client-certificate": certificate, "client-key-data": base64(MARKER) },
    },
    "key data that is not base64": {
      user: { "client-certificate": certificate, "client-key-data": `***${MARKER}` },
    },
    "an authority that is none": { cluster: { "certificate-authority-data": base64(MARKER) } },
    "a URL with a password": { cluster: { server: `https://u:${MARKER}@${ADDRESS}` } },
    "a URL with a password and a bad port": {
      cluster: { server: `https://u:${MARKER}@${ADDRESS}:99999` },
    },
    "a URL with a token in its query": { cluster: { server: `https://h:99999/?t=${MARKER}` } },
    "a proxy with a password and a bad port": {
      cluster: { "proxy-url": `http://u:${MARKER}@127.0.0.1:99999` },
      user: { token: MARKER },
    },
    "a proxy with a password that is not there": {
      cluster: { "proxy-url": `http://u:${MARKER}@127.0.0.1:1` },
    },
    "a proxy of the environment": { env: { HTTPS_PROXY: `http://u:${MARKER}@127.0.0.1:1` } },
    "a proxy of the environment with a bad port": {
      env: { https_proxy: `http://u:${MARKER}@127.0.0.1:99999` },
    },
    "a plugin's token": await plugin("p1", `{"token":"${MARKER}"}`),
    "a plugin's broken answer": await plugin("p2", `{"token":"${MARKER}"`),
    "a plugin's key": await plugin("p3", `{"clientKeyData":"${MARKER}"}`),
    "a plugin's time": await plugin("p4", `{"token":"t","expirationTimestamp":"${MARKER}"}`),
    "YAML with a token, broken there": { text: `users:\n- {name: u, user: {token: ${MARKER}\n` },
    "YAML with a token that is an alias": {
      text: `users:\n- {name: u, user: {token: *${MARKER}}}\n`,
    },
    "YAML with a token that is a tag": {
      text: `users:\n- {name: u, user: {token: !${MARKER} x}}\n`,
    },
    "YAML that is a token": { text: MARKER },
  };
}

async function kubeconfigOf({ user, cluster, text }: Kind): Promise<string> {
  if (text !== undefined) return await write("broken.kubeconfig", text);
  const options = { server: gateway.url };
  const path = await server.writeKubeconfig("secret", user ?? { token: ADMIN_TOKEN }, options);
  const config = JSON.parse(await Deno.readTextFile(path));
  Object.assign(config.clusters[0].cluster, cluster);
  if (cluster?.["certificate-authority-data"]) {
    delete config.clusters[0].cluster["certificate-authority"];
  }
  await Deno.writeTextFile(path, JSON.stringify(config));
  return path;
}

Deno.test({
  name: "what kg, kgctl, /health and /metrics say of a broken credential has nothing of it",
  ignore: !isRoot(),
  fn: async (t) => {
    await using _gateway = await openGateway();
    // A server may repeat what it was sent.
    gateway.spoil = () => {
      const sent = gateway.authorizations.at(-1);
      const message = `who is ${sent}? ${atobOrNothing(sent)}`;
      const status = { kind: "Status", reason: "Unauthorized", message };
      return new Response(JSON.stringify(status), { status: 401, statusText: MARKER.slice(0, 3) });
    };
    for (const [name, kind] of Object.entries(await kinds())) {
      await t.step(name, async () => {
        const kubeconfig = await kubeconfigOf(kind);
        const env = kind.env ?? {};
        const logFile = `${server.directory}/log.txt`;
        const graph = Agent.start(
          namespace,
          [`${server.directory}/kgctl`, "graph", "--kubeconfig", kubeconfig],
          { logFile, env },
        );
        assert.equal((await graph.end()).code, 1);
        assert.match(graph.output, /Error: ./);
        assertSilent(graph.output, "kgctl");
        const agent = Agent.start(namespace, [
          ...[kg, "--hostname=a", "--kubeconfig", kubeconfig, "--create-interface=false"],
          ...["--cni=false", "--log-level=all"],
        ], { logFile, env });
        const pages = await pagesOf(agent);
        await agent.stop();
        assert.match(agent.output, /./);
        assertSilent(agent.output, "kg");
        assertSilent(pages, "its pages");
      });
    }
    gateway.spoil = undefined;
  },
});

/** What /health, /ready and /metrics say once something is known to be wrong; nothing if it ends. */
async function pagesOf(agent: Agent): Promise<string> {
  return await waitFor("a problem, or the end", async () => {
    if (agent.ended) return "it has ended";
    if (!/401|cannot|not known/.test(agent.output)) return undefined;
    const pages = ["/health", "/ready", "/metrics"].map((path) => ask(namespace, path));
    return (await Promise.all(pages)).map(({ body }) => body).join("\n");
  });
}

function atobOrNothing(authorization: string | null | undefined): string {
  try {
    return atob(authorization?.split(" ")[1] ?? "");
  } catch {
    return "";
  }
}

Deno.test({
  name: "what becomes of a credential while the agent runs is told without it, on /health too",
  ignore: !isRoot(),
  fn: async () => {
    await using _gateway = await openGateway();
    const tokenFile = await write("running-token", ADMIN_TOKEN);
    const kubeconfig = await kubeconfigOf({ user: { tokenFile } });
    const agent = Agent.start(namespace, [
      ...[kg, "--hostname=a", "--kubeconfig", kubeconfig, "--create-interface=false"],
      ...["--cni=false", "--log-level=all", "--clean-up=false"],
    ], { logFile: `${server.directory}/log.txt` });
    const said = (text: string) => waitFor(text, () => agent.output.includes(text));
    await waitFor("both lists", () => gateway.count(/^PATCH/) > 0);
    await write("running-token", `${MARKER}\r\n${MARKER}`);
    await server.kubectl(["annotate", "node", "a", "kilo.squat.ai/key-"]);
    await said("holds a space, a line break");
    const health = await waitFor("/health to tell", async () => {
      const { body } = await ask(namespace, "/health");
      return body.includes("holds a space, a line break") ? body : undefined;
    });
    const { body: metrics } = await ask(namespace, "/metrics");
    assert.match(metrics, /^kilo_warnings\{code="backend"\} [1-9]/m);
    await agent.stop();
    assertSilent(agent.output + health + metrics, "the agent");
  },
});
