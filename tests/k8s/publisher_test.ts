/** What the API server refuses of a Node's annotations costs no check-in. */

import assert from "node:assert/strict";
import { EndpointChoice } from "../../src/agent/endpoint_choice.ts";
import { openLog } from "../../src/agent/log.ts";
import { Monitor } from "../../src/agent/monitor.ts";
import { type OwnFacts, Publisher } from "../../src/agent/publisher.ts";
import { KubernetesBackend } from "../../src/backend/kubernetes/backend.ts";
import { discoverEndpoints } from "../../src/mesh/discover.ts";
import { parseDiscoveredEndpoints } from "../../src/mesh/discovered_endpoints.ts";
import { ANNOTATIONS } from "../../src/mesh/object.ts";
import { NOTHING_PUBLISHED } from "../../src/mesh/publish.ts";
import { parseIP } from "../../src/net/ip.ts";
import { type Key, keyFromBytes } from "../../src/net/key.ts";
import { waitFor } from "../lab/wait.ts";
import { ApiServer } from "./api_server.ts";
import { Gateway } from "./gateway.ts";
import { node } from "./objects.ts";

let server: ApiServer;
const MANIFESTS = new URL("../../manifests", import.meta.url).pathname;
const OWN: OwnFacts = {
  key: keyFromBytes(new Uint8Array(32).fill(7)),
  granularity: "location",
  port: 51820,
  endpointIP: parseIP("192.0.2.1")!,
};

Deno.test.beforeAll(async () => {
  server = await ApiServer.start();
  await server.kubectl(["apply", "-f", `${MANIFESTS}/crds.yaml`]);
  await server.kubectl(["wait", "--for=condition=Established", "crd/peers.kilo.squat.ai"]);
});

Deno.test.afterAll(() => server[Symbol.asyncDispose]());

/** A Node with an agent that publishes it; nothing else of an agent. */
class Published implements AsyncDisposable {
  private constructor(
    readonly name: string,
    readonly backend: KubernetesBackend,
    readonly publisher: Publisher,
    readonly monitor: Monitor,
    readonly running: Promise<void>,
  ) {}

  static async start(name: string, { master }: { master?: string } = {}): Promise<Published> {
    const backend = new KubernetesBackend({ kubeconfig: server.adminKubeconfig, master }, {
      hostname: name,
      topologyLabel: "x",
    });
    await backend.start(() => {});
    const monitor = new Monitor();
    const publisher = new Publisher(backend, {
      hostname: name,
      memory: { published: NOTHING_PUBLISHED },
      log: openLog("test"),
      monitor,
    });
    publisher.update(OWN);
    return new Published(name, backend, publisher, monitor, publisher.run());
  }

  async annotations(): Promise<Record<string, string>> {
    const text = await server.kubectl(["get", "node", this.name, "-o", "json"]);
    return JSON.parse(text).metadata.annotations ?? {};
  }

  get isLive(): boolean {
    return this.publisher.liveUntil > performance.now();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.publisher.stop();
    await this.running;
    await this.backend[Symbol.asyncDispose]();
  }
}

async function addNode(name: string, annotations: Record<string, string> = {}): Promise<void> {
  await server.kubectl(["create", "-f", "-"], [node(name, { annotations })]);
}

/** A policy as people have them: nobody may set this annotation of a Node. */
const POLICY = [{
  apiVersion: "admissionregistration.k8s.io/v1",
  kind: "ValidatingAdmissionPolicy",
  metadata: { name: "no-endpoint" },
  spec: {
    failurePolicy: "Fail",
    matchConstraints: {
      resourceRules: [{
        apiGroups: [""],
        apiVersions: ["v1"],
        operations: ["UPDATE"],
        resources: ["nodes"],
      }],
    },
    validations: [{
      expression: `!has(object.metadata.annotations) || ` +
        `!('${ANNOTATIONS.endpoint}' in object.metadata.annotations)`,
      message: "endpoints are not for you",
    }],
  },
}, {
  apiVersion: "admissionregistration.k8s.io/v1",
  kind: "ValidatingAdmissionPolicyBinding",
  metadata: { name: "no-endpoint" },
  spec: { policyName: "no-endpoint", validationActions: ["Deny"] },
}];

Deno.test("a policy that refuses the endpoint holds up no check-in, and is named", async () => {
  await addNode("refused");
  await server.kubectl(["create", "-f", "-"], POLICY);
  await waitFor("the policy to be in force", async () => {
    const set = ["annotate", "node", "refused", "--overwrite", `${ANNOTATIONS.endpoint}=x:1`];
    const isSet = await server.kubectl(set).then(() => true, () => false);
    if (isSet) await server.kubectl(["annotate", "node", "refused", `${ANNOTATIONS.endpoint}-`]);
    return !isSet;
  }, { interval: 200 });
  await using published = await Published.start("refused");
  await waitFor("a check-in", () => published.isLive);
  const { [ANNOTATIONS.lastSeen]: lastSeen, [ANNOTATIONS.key]: key } = await published
    .annotations();
  assert.ok(Date.now() / 1000 - Number(lastSeen) < 30);
  assert.equal(key, undefined);
  assert.match(published.publisher.warnings[0]!.text, /not published: .*endpoints are not for you/);
  await server.kubectl(["delete", "validatingadmissionpolicy", "no-endpoint"]);
  await waitFor("the rest", async () => ANNOTATIONS.key in await published.annotations(), {
    timeout: 40_000,
  });
  assert.deepEqual(published.publisher.warnings, []);
});

Deno.test("throttled changes with a long Retry-After hold up no check-in", async () => {
  await addNode("throttled");
  await using gateway = await Gateway.open(server);
  let refused = 0;
  gateway.fault = (_, body) => {
    if (!body.includes(ANNOTATIONS.key)) return undefined;
    refused++;
    return new Response(null, { status: 429, headers: { "retry-after": "3600" } });
  };
  await using published = await Published.start("throttled", { master: gateway.url });
  await waitFor("a refusal", () => refused > 0);
  await waitFor("a check-in", () => published.isLive);
});

Deno.test("3,000 discovered endpoints fit beside 200 KiB of others' annotations, and are counted", async () => {
  const others = Object.fromEntries(
    Array.from({ length: 4 }, (_, n) => [`example.com/big-${n}`, "x".repeat(50 * 1024)]),
  );
  await addNode("big", others);
  await using published = await Published.start("big");
  await waitFor("the first patch", () => published.isLive);
  const keys = Array.from({ length: 3000 }, (_, n) => {
    const bytes = new Uint8Array(32).fill(1);
    bytes.set([n >> 8, n & 255]);
    return keyFromBytes(bytes);
  });
  const members = {
    nodes: [],
    peers: keys.map((publicKey, n) => ({
      name: `p${n}`,
      publicKey,
      persistentKeepalive: 0,
      allowedIPs: [],
    })),
  };
  const device = { listenPort: 1, firewallMark: 0, peers: keys.map((key, n) => peerState(key, n)) };
  const choice = new EndpointChoice();
  const discoveredEndpoints = choice.choose(discoverEndpoints(members, device), {
    mesh: () => members,
    device,
    own: published.backend.cluster().own!,
    room: published.backend.annotationRoom,
    now: 0,
  });
  published.publisher.update({ ...OWN, reconciled: { discoveredEndpoints } });
  const text = await waitFor("the endpoints", async () => {
    const { [ANNOTATIONS.discoveredEndpoints]: text = "{}" } = await published.annotations();
    return text.length > 2 ? text : undefined;
  }, { interval: 200 });
  const { endpoints } = parseDiscoveredEndpoints(text)!;
  assert.ok(text.length > 48 * 1024 && text.length < 56 * 1024, `${text.length} bytes`);
  assert.ok(endpoints.has(keys.at(-1)!) && !endpoints.has(keys[0]!), "the newest handshakes");
  const omitted = 3000 - endpoints.size;
  assert.match(
    choice.warnings[0]!.text,
    new RegExp(`^${omitted} discovered endpoints are left out`),
  );
  assert.deepEqual(published.publisher.warnings, []);
});

function peerState(publicKey: Key, n: number) {
  return {
    publicKey,
    endpoint: { ip: parseIP("203.0.113.9")!, port: 1024 + n },
    persistentKeepalive: 0,
    allowedIPs: [],
    lastHandshake: 1000 + n,
    receivedBytes: 0,
    sentBytes: 0,
  };
}
