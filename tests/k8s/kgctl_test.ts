/** The built program under the name kgctl, as a person without any rights runs it. */

import assert from "node:assert/strict";
import { build } from "../../tools/build.ts";
import type { KgctlRun } from "../vectors/kgctl.ts";
import recorded from "../vectors/kgctl.json" with { type: "json" };
import { ApiServer } from "./api_server.ts";

const MANIFESTS = new URL("../../manifests", import.meta.url).pathname;

/** `nobody` on every system. */
const NOBODY = 65534;

let server: ApiServer;
/** Everybody may read what is in it. */
let directory: string;
/** Of the agent's service account. */
let token: string;

Deno.test.beforeAll(async () => {
  directory = await Deno.makeTempDir({ prefix: "kg-kgctl-" });
  await Deno.chmod(directory, 0o755);
  await Deno.copyFile(await build(), `${directory}/kg`);
  await Deno.symlink("kg", `${directory}/kgctl`);
  server = await ApiServer.start();
  await server.kubectl(["apply", "-f", `${MANIFESTS}/rbac.yaml`]);
  token = (await server.kubectl(["create", "token", "kilo", "-n", "kube-system"])).trim();
});

Deno.test.afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await Deno.remove(directory, { recursive: true });
});

/** A file in the directory; answers its path. */
async function write(name: string, value: unknown): Promise<string> {
  const path = `${directory}/${name}`;
  await Deno.writeTextFile(path, JSON.stringify(value));
  return path;
}

/** A kubeconfig, or the parts of one; it names the cluster and user of others if it lacks its own. */
async function writeKubeconfig(
  name: string,
  { url = server.url, user, parts = ["cluster", "user"] }: {
    readonly url?: string;
    readonly user?: Readonly<Record<string, unknown>>;
    readonly parts?: readonly ("cluster" | "user")[];
  } = {},
): Promise<string> {
  const ca = (await Deno.readFile(server.authority.certificate)).toBase64();
  const cluster = { "server": url, "certificate-authority-data": ca };
  return await write(name, {
    ...parts.includes("cluster") && {
      "clusters": [{ name: "c", cluster }],
      "contexts": [{ name: "c", context: { cluster: "c", user: "u" } }],
      "current-context": "c",
    },
    ...parts.includes("user") && { "users": [{ name: "u", user: user ?? { token } }] },
  });
}

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs it with nothing in its environment but this. */
async function kgctl(
  args: readonly string[],
  { env = {}, program = "kgctl" }: {
    readonly env?: Readonly<Record<string, string>>;
    readonly program?: "kg" | "kgctl";
  } = {},
): Promise<Ran> {
  const { code, stdout, stderr } = await new Deno.Command(`${directory}/${program}`, {
    args: [...args],
    env: { ...env },
    ...Deno.uid() === 0 && { uid: NOBODY, gid: NOBODY },
    clearEnv: true,
    cwd: directory,
    stdin: "null",
  }).output();
  const [out, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, stdout: out!, stderr: errors! };
}

/** The one line that says why it failed; the usage is above it. */
async function failure(...[args, options]: Parameters<typeof kgctl>): Promise<string> {
  const { code, stdout, stderr } = await kgctl(args, options);
  assert.deepEqual([code, stdout], [1, ""], stderr);
  const lines = stderr.trimEnd().split("\n");
  assert.match(lines.join("\n"), /^Usage: kg(ctl)? (graph|showconf) /m);
  assert.equal(lines.filter((line) => line.startsWith("Error: ")).length, 1, stderr);
  assert.ok(!stderr.includes(token), "a token is nobody's business");
  return lines.at(-1)!.slice("Error: ".length);
}

Deno.test("kgctl does not wait for a cluster that it cannot see, and says why", async () => {
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 }); // accepts, and never says a word
  const at = `https://127.0.0.1:${silent.addr.port}`;
  const graph = async (kubeconfig: Promise<string>) =>
    await failure(["graph", "--kubeconfig", await kubeconfig]);
  const cases: Readonly<Record<string, readonly [Promise<string>, RegExp]>> = {
    "no Peers": [
      graph(writeKubeconfig("whole")),
      /^the CustomResourceDefinition peers\.kilo\.squat\.ai is not installed yet$/,
    ],
    "nobody there": [
      graph(writeKubeconfig("dead", { url: "https://127.0.0.1:1" })),
      /^.* yet: GET https:\/\/127\.0\.0\.1:1\/\S+: .*refused/,
    ],
    "silent": [
      graph(writeKubeconfig("silent", { url: at })),
      /^.*: GET https:\/\/127\.0\.0\.1:\d+\/\S+: no answer within 10 s$/,
    ],
    "unknown": [
      graph(writeKubeconfig("unknown", { user: { token: "s3cret" } })),
      /^.*: GET \S+: 401 Unauthorized/,
    ],
    "no rights": [
      graph(writeKubeconfig("no-rights", { user: {} })),
      /^.*: GET \S+: (401|403) /,
    ],
    "no file": [
      failure(["showconf", "node", "a", "--kubeconfig=/no/such"]),
      /^no way to the API server: the kubeconfig \/no\/such cannot be read: /,
    ],
    "no default": [
      failure(["graph"], { env: { KUBECONFIG: "/no/such:none", HOME: directory } }),
      new RegExp(`there is no kubeconfig: /no/such, none, ${directory}/.kube/config$`),
    ],
    "no pod": [
      failure(["graph", "--kubeconfig="], { env: { HOME: directory } }),
      /this is not a pod/,
    ],
    "kg too": [
      failure(["graph", "--kubeconfig=/no/such"], { program: "kg" }),
      /the kubeconfig \/no\/such cannot be read/,
    ],
  };
  for (const [name, [message, expected]] of Object.entries(cases)) {
    assert.match(await message, expected, name);
  }
});

Deno.test("kgctl answers on an API server what it answers on a directory of the same objects", async () => {
  await server.kubectl(["apply", "-f", `${MANIFESTS}/crds.yaml`]);
  await server.kubectl(["wait", "--for=condition=Established", "crd/peers.kilo.squat.ai"]);
  const { objects, runs } = recorded[0] as Pick<KgctlRun, "objects"> & { runs: KgctlRun["run"][] };
  const broken = { allowedIPs: ["nonsense"], publicKey: "short" };
  const peer = { apiVersion: "kilo.squat.ai/v1alpha1", kind: "Peer", metadata: { name: "broken" } };
  const items = [...objects, { ...peer, spec: broken }];
  await server.kubectl(["apply", "-f", "-"], items);
  await write("manifests.json", { kind: "List", items });
  await Deno.mkdir(`${directory}/manifests`);
  await Deno.rename(`${directory}/manifests.json`, `${directory}/manifests/all.json`);
  const kubeconfig = await writeKubeconfig("config");
  const lines = [...runs.map(({ args }) => args), ["showconf", "peer", "broken"]];
  for (const args of lines) {
    const file = await kgctl([...args, "--backend=file", "--backend-path=manifests"]);
    const api = await kgctl([...args, "--kubeconfig", kubeconfig]);
    const { stderr, ...answer } = api;
    assert.deepEqual(answer, { code: file.code, stdout: file.stdout }, args.join(" "));
    assert.deepEqual(sorted(stderr), sorted(file.stderr.replace("manifests/all.json: ", "")));
    assert.match(stderr, /^Warning: Peer "broken" is ignored/m);
  }
});

/** The lines; in what order warnings come says nothing. */
function sorted(text: string): string[] {
  return text.split("\n").sort();
}

Deno.test("kgctl finds its kubeconfig as kubectl does", async () => {
  const whole = await writeKubeconfig("whole");
  const expected = await kgctl(["graph", "--kubeconfig", whole]);
  assert.equal(expected.code, 0, expected.stderr);
  await Deno.mkdir(`${directory}/.kube`);
  await writeKubeconfig(".kube/config");
  await writeKubeconfig("where", { parts: ["cluster"] });
  await writeKubeconfig("who", { parts: ["user"] });
  await writeKubeconfig("dead", { url: "https://127.0.0.1:1" });
  const cases: readonly (readonly [string[], Record<string, string>])[] = [
    [[], { HOME: directory }],
    [[], { HOME: directory, KUBECONFIG: "/no/such" }],
    [[], { KUBECONFIG: whole }],
    [[], { KUBECONFIG: "/no/such:where::who", HOME: "/nowhere" }],
    [[], { KUBECONFIG: "whole:dead" }], // of two with one name the first file's counts
    [["--kubeconfig", "whole"], { KUBECONFIG: "dead", HOME: "/nowhere" }],
  ];
  for (const [args, env] of cases) {
    const title = `${args.join(" ")} ${JSON.stringify(env)}`;
    assert.deepEqual(await kgctl(["graph", ...args], { env }), expected, title);
  }
  assert.deepEqual(await kgctl(["graph"], { env: { KUBECONFIG: whole }, program: "kg" }), expected);
});
