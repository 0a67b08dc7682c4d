/** One table of Peers before all who may refuse them: the API server asks the policy, or the webhook. */

import assert from "node:assert/strict";
import { loadAll } from "js-yaml";
import { build } from "../../tools/build.ts";
import { waitFor } from "../lab/wait.ts";
import { ADMIN_TOKEN, ApiServer } from "./api_server.ts";
import { KEY, PEER_CASES } from "./peer_cases.ts";
import { peer } from "./objects.ts";

const MANIFESTS = new URL("../../manifests", import.meta.url).pathname;
const PEERS = "/apis/kilo.squat.ai/v1alpha1/peers";
const VALID = { allowedIPs: ["10.5.0.1/32"], publicKey: KEY };
const LARGE = {
  ...VALID,
  allowedIPs: Array.from({ length: 5000 }, (_, at) => `10.6.${at >> 8}.${at & 255}/32`),
};
const INVALID = { ...VALID, allowedIPs: ["10.5.0.1"] };

let program: string;
let server: ApiServer;
let client: Deno.HttpClient;

Deno.test.beforeAll(async () => {
  program = await build();
  server = await ApiServer.start();
  const caCerts = [await Deno.readTextFile(server.authority.certificate)];
  client = Deno.createHttpClient({ caCerts, http2: false });
  await server.kubectl(["apply", "-f", `${MANIFESTS}/crds.yaml`]);
  await server.kubectl(["wait", "--for=condition=Established", "crd/peers.kilo.squat.ai"]);
});

Deno.test.afterAll(async () => {
  client.close();
  await server[Symbol.asyncDispose]();
});

/** What the API server says to a Peer; the message is empty if it takes it. Nothing is stored. */
async function judge(spec: unknown): Promise<string> {
  const object = peer("laptop", spec as Readonly<Record<string, unknown>>);
  const response = await fetch(`${server.url}${PEERS}?dryRun=All&fieldValidation=Strict`, {
    client,
    method: "POST",
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, "content-type": "application/json" },
    body: JSON.stringify(object),
  });
  const answer = await response.json();
  return response.ok ? "" : answer.message;
}

/** Every row must get its verdict, from the one whose words begin so or from the schema. */
async function judgeAll(judgeSays: string): Promise<void> {
  const wrong: string[] = [];
  const rows = PEER_CASES.values();
  const worker = async () => {
    for (const { name, spec, refusal, schema } of rows) {
      const message = await judge(spec);
      const problem = !refusal
        ? message && "is refused"
        : !message
        ? "is taken"
        : message.includes(judgeSays) === (schema === true)
        ? "is refused by somebody else"
        : !message.includes(refusal.field) || !message.includes(shown(refusal.value))
        ? "is refused without its field and value"
        : "";
      if (problem) wrong.push(`${name} ${problem}: ${message}`);
    }
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
  assert.deepEqual(wrong, []);
}

/** As much of a value as every message shows: none of one with line breaks, and no escapes. */
function shown(value = ""): string {
  return /[\n"\\]/.test(value) ? "" : value.slice(0, 80);
}

/** Changes are judged as new Peers are, and what is invalid already can be labelled, and end. */
async function judgeChanges(judgeSays: string): Promise<void> {
  const says = (error: Error) => error.message.includes(judgeSays);
  await apply("laptop", VALID);
  await apply("laptop", { ...VALID, allowedIPs: ["10.5.0.2/32"] });
  await assert.rejects(apply("laptop", INVALID), says);
  await apply("large", LARGE);
  await patch("large", { metadata: { labels: { site: "berlin" } } });
  await patch("large", { spec: { allowedIPs: [...LARGE.allowedIPs.slice(1), "10.5.0.9/32"] } });
  await server.kubectl(["delete", "peer", "laptop", "large"]);

  const name = "invalid-before";
  await patch(name, { metadata: { labels: { site: "berlin" } } });
  await assert.rejects(patch(name, { spec: { persistentKeepalive: 5 } }), says);
  await server.kubectl(["delete", "peer", name, "--wait=false"]);
  await patch(name, { metadata: { finalizers: null } });
  await server.kubectl(["wait", "--for=delete", `peer/${name}`, "--timeout=60s"]);
}

async function apply(name: string, spec: typeof VALID, metadata: object = {}): Promise<void> {
  const object = peer(name, spec);
  const merged = { ...object, metadata: { name, ...metadata } };
  await server.kubectl(["apply", "--server-side", "-f", "-"], [merged]);
}

async function patch(name: string, fields: object): Promise<void> {
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, JSON.stringify(fields));
    await server.kubectl(["patch", "peer", name, "--type=merge", `--patch-file=${file}`]);
  } finally {
    await Deno.remove(file);
  }
}

Deno.test("the ValidatingAdmissionPolicy is exactly as strict as the agent", async () => {
  const manifest = `${MANIFESTS}/validating-admission-policy.yaml`;
  const says = "ValidatingAdmissionPolicy 'peers.kilo.squat.ai'";
  await apply("invalid-before", INVALID, { finalizers: ["example.org/hold"] });
  await server.kubectl(["apply", "-f", manifest]);
  await waitFor("the policy", async () => (await judge(INVALID)).includes(says));
  await judgeAll(says);
  await judgeChanges(says);
  await server.kubectl(["delete", "-f", manifest]);
  await waitFor("the end of the policy", async () => await judge(INVALID) === "");
});

Deno.test("kg webhook is exactly as strict as the agent", async () => {
  const says = 'admission webhook "peers.kilo.squat.ai" denied the request: ';
  await apply("invalid-before", INVALID, { finalizers: ["example.org/hold"] });
  await using webhook = await Webhook.start();
  await server.kubectl(["apply", "-f", "-"], [await webhook.configuration()]);
  await waitFor("the webhook", async () => (await judge(INVALID)).includes(says));
  await judgeAll(says);
  await judgeChanges(says);

  const metrics = await webhook.metrics();
  for (
    const line of [
      /^admission_requests_total{operation="CREATE",response="denied"} \d\d+$/m,
      /^admission_requests_total{operation="UPDATE",response="allowed"} 5$/m,
      /^admission_requests_total{operation="UPDATE",response="denied"} 2$/m,
      /^admission_requests_total{operation="DELETE",response="allowed"} 3$/m,
      /^http_requests_total{handler="\/validate",method="POST"} \d\d+$/m,
      /^errors_total 0$/m,
      /^process_cpu_seconds_total /m,
      /^process_resident_memory_bytes \d+$/m,
    ]
  ) assert.match(metrics, line);
  await server.kubectl(["delete", "validatingwebhookconfiguration", "peers.kilo.squat.ai"]);
  await waitFor("the end of the webhook", async () => await judge(INVALID) === "");
});

Deno.test("kg webhook follows its certificate, and ends at a signal within 5 s", async () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    await using webhook = await Webhook.start();
    using silent = await Deno.connect({ hostname: "127.0.0.1", port: webhook.port });
    await silent.write(new Uint8Array([22, 3, 1])); // the first bytes of a handshake
    await issueCertificate();
    assert.equal(await webhook.ask(client), 404);
    await waitFor("the log", () => webhook.log.includes("the certificate was renewed"));
    const start = performance.now();
    assert.equal(await webhook.end(signal), 0);
    assert.ok(performance.now() - start < 5000);
    assert.match(webhook.log, /"msg":"stopped"/);
  }
});

Deno.test("kg webhook survives more connections than it may have", async () => {
  for (const files of [120, 1024]) {
    await using webhook = await Webhook.start({ files });
    const connections: Deno.Conn[] = [];
    for (let count = 0; count < 400; count++) {
      connections.push(await Deno.connect({ hostname: "127.0.0.1", port: webhook.port }));
    }
    for (const connection of connections) connection.close();
    await waitFor("an answer", async () => await webhook.ask(client) === 404);
    assert.equal(await webhook.end("SIGTERM"), 0);
  }
});

Deno.test("kg webhook needs no more memory than its manifest gives it, whoever asks", async () => {
  await using webhook = await Webhook.start();
  const limit = await memoryLimit();
  const padding = {
    text: `"${"x".repeat(8e6)}"`,
    objects: `[${"{},".repeat(2.6e6)}{}]`,
  };
  for (const [name, text] of Object.entries(padding)) {
    const large = reviewOf({ ...peer("laptop", VALID), status: "?" }).replace('"?"', text);
    const body = new TextEncoder().encode(large);
    const statuses = new Set<number>();
    await Promise.all(Array.from({ length: 152 }, async () => {
      statuses.add(await webhook.review(client, body).catch(() => 0)); // cut off: too many at a time
    }));
    assert.ok(statuses.has(name === "text" ? 200 : 400), `${name}: ${[...statuses]}`);
    const { most } = webhook.memory();
    assert.ok(most < limit, `${name}: ${most / 1e6} MB`);
    const small = reviewOf(peer("laptop", VALID));
    assert.equal(await webhook.review(client, new TextEncoder().encode(small)), 200);
  }
});

/** Bytes that the manifest allows the webhook. */
async function memoryLimit(): Promise<number> {
  const manifest = await Deno.readTextFile(`${MANIFESTS}/webhook.yaml`);
  const mebibytes = /limits:\n *memory: (\d+)Mi\n/.exec(manifest)?.[1];
  assert.ok(mebibytes);
  return Number(mebibytes) * 2 ** 20;
}

/** The API server's question whether this may be stored. */
function reviewOf(object: unknown): string {
  const request = { uid: "1", operation: "CREATE", name: "laptop", object };
  return JSON.stringify({ kind: "AdmissionReview", apiVersion: "admission.k8s.io/v1", request });
}

Deno.test("kg webhook says at once what it cannot work with", async () => {
  const { directory } = server;
  const good = [`--cert-file=${directory}/webhook.crt`, `--key-file=${directory}/webhook.key`];
  const any = ["--listen=127.0.0.1:0", "--listen-metrics=127.0.0.1:0"];
  const rows: readonly (readonly [args: readonly string[], message: RegExp])[] = [
    [[], /^Error: --cert-file is missing$/],
    [[good[0]!], /^Error: --key-file is missing$/],
    [[...any, good[0]!, "--key-file=/none"], /^Error: .* \/none cannot be used: No such file/],
    [[...any, good[0]!, `--key-file=${directory}/server.key`], /^Error: .*does not belong to/],
    [[...good, "--listen=8443"], /^Error: .*"8443".*host:port or :port is expected/],
    [[...good, ...any, `--listen=127.0.0.1:${server.port}`], /^Error: cannot listen on .* in use/],
    [[...good, "laptop"], /^Error: unknown command "laptop" for "kg webhook"$/],
  ];
  for (const [args, message] of rows) {
    const { code, stdout, stderr } = await new Deno.Command(program, {
      args: ["webhook", "--log-level=none", ...args],
    }).output();
    const [output, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    assert.deepEqual([code, output], [1, ""], errors);
    assert.match(errors!.trimEnd(), message);
  }
});

/** For the webhook, in place of the one before. */
async function issueCertificate(): Promise<void> {
  await server.authority.issue("webhook", { subject: "/CN=webhook", names: ["IP:127.0.0.1"] });
}

/** The program at work. */
class Webhook implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  /** All that it has logged. */
  log = "";
  port = 0;
  #metricsPort = 0;

  private constructor(process: Deno.ChildProcess) {
    this.#process = process;
  }

  /** `files`: how many it may have open. */
  static async start({ files = 1024 } = {}): Promise<Webhook> {
    await issueCertificate();
    const { directory } = server;
    const process = new Deno.Command("prlimit", {
      args: [
        ...[`--nofile=${files}:${files}`, program, "webhook"],
        ...[`--cert-file=${directory}/webhook.crt`, `--key-file=${directory}/webhook.key`],
        ...["--listen=127.0.0.1:0", "--listen-metrics=127.0.0.1:0", "--log-level=debug"],
      ],
      clearEnv: true,
      stdout: "piped",
    }).spawn();
    const webhook = new Webhook(process);
    webhook.#read();
    const line = await waitFor("the webhook", () => /^.*"msg":"listening".*$/m.exec(webhook.log));
    const { port, metricsPort } = JSON.parse(line[0]);
    webhook.port = port;
    webhook.#metricsPort = metricsPort;
    return webhook;
  }

  async #read(): Promise<void> {
    for await (const text of this.#process.stdout.pipeThrough(new TextDecoderStream())) {
      this.log += text;
    }
  }

  /** The manifest's, but for where the webhook is, and that it is asked of what is deleted too. */
  async configuration(): Promise<unknown> {
    const manifest = await Deno.readTextFile(`${MANIFESTS}/webhook.yaml`);
    const configuration = loadAll(manifest)
      .map((object) => object as WebhookConfiguration)
      .find(({ kind }) => kind === "ValidatingWebhookConfiguration")!;
    const [webhook] = configuration.webhooks;
    const ca = await Deno.readFile(server.authority.certificate);
    webhook.rules[0].operations.push("DELETE");
    webhook.clientConfig = {
      url: `https://127.0.0.1:${this.port}${webhook.clientConfig.service!.path}`,
      caBundle: ca.toBase64(),
    };
    return configuration;
  }

  /** On a new connection; answers the status. */
  async ask(client: Deno.HttpClient): Promise<number> {
    const response = await fetch(`https://127.0.0.1:${this.port}/`, { client });
    await response.body?.cancel();
    return response.status;
  }

  /** Asks for a review; answers the status. */
  async review(client: Deno.HttpClient, body: Uint8Array<ArrayBuffer>): Promise<number> {
    const response = await fetch(`https://127.0.0.1:${this.port}/validate`, {
      ...{ client, method: "POST", body },
      headers: { "content-type": "application/json" },
    });
    await response.body?.cancel();
    return response.status;
  }

  /** Bytes that were resident at most. */
  memory(): { readonly most: number } {
    const status = Deno.readTextFileSync(`/proc/${this.#process.pid}/status`);
    return { most: Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)![1]) * 1024 };
  }

  async metrics(): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${this.#metricsPort}/metrics`);
    assert.match(response.headers.get("content-type")!, /^text\/plain; version=0\.0\.4/);
    return await response.text();
  }

  /** Answers its exit code. */
  async end(signal: Deno.Signal): Promise<number> {
    this.#process.kill(signal);
    return (await this.#process.status).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end("SIGKILL").catch(() => {}); // it may have ended
  }
}

interface WebhookConfiguration {
  readonly kind: string;
  readonly webhooks: readonly [{
    readonly rules: readonly [{ readonly operations: string[] }];
    clientConfig: {
      readonly url?: string;
      readonly caBundle?: string;
      readonly service?: { readonly path: string };
    };
  }];
}
