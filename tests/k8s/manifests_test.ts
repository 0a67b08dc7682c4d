/** What people apply to their cluster. */

import assert from "node:assert/strict";
import { loadAll } from "js-yaml";
import { ApiServer } from "./api_server.ts";

const MANIFESTS = new URL("../../manifests", import.meta.url).pathname;

type Fields = Readonly<Record<string, unknown>>;

interface Manifest extends Fields {
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

function filesIn(directory: string): string[] {
  return [...Deno.readDirSync(directory)].flatMap(({ name, isDirectory }) => {
    const path = `${directory}/${name}`;
    return isDirectory ? filesIn(path) : /\.ya?ml$/.test(name) ? [path] : [];
  }).sort();
}

async function read(path: string): Promise<Manifest[]> {
  return loadAll(await Deno.readTextFile(path)) as Manifest[];
}

/** One of the objects in a file. */
async function find(file: string, kind: string): Promise<Manifest> {
  const object = (await read(`${MANIFESTS}/${file}`)).find((object) => object.kind === kind);
  return object ?? assert.fail(`${file} has no ${kind}`);
}

/** Without the descriptions, which are ours. */
function shape(value: unknown): unknown {
  const { description: _, ...rest } = value as Fields;
  const { properties } = rest;
  if (!properties) return rest;
  const shapes = Object.entries(properties).map(([name, field]) => [name, shape(field)]);
  return { ...rest, properties: Object.fromEntries(shapes) };
}

Deno.test("the API server takes every manifest as it is", async () => {
  await using server = await ApiServer.start();
  const files = filesIn(MANIFESTS);
  assert.ok(files.length >= 4);
  const objects = (await Promise.all(files.map(read))).flat();
  // What is in a namespace can only be tried when that is there.
  const namespaces = objects.filter(({ kind }) => kind === "Namespace");
  await server.kubectl(["apply", "-f", "-"], namespaces);
  const output = await server.kubectl([
    ...["apply", "--server-side", "--dry-run=server", "--validate=strict"],
    ...files.flatMap((file) => ["-f", file]),
  ]);
  const taken = output.trim().split("\n").filter((line) => / \(server dry run\)$/.test(line));
  assert.equal(taken.length, objects.length, output);
});

Deno.test("the CustomResourceDefinition has the shape that Kilo's has", async () => {
  const text = { type: "string" };
  const { spec } = await find("crds.yaml", "CustomResourceDefinition");
  const { versions, ...rest } = spec as { versions: Fields[] };
  assert.deepEqual(rest, {
    group: "kilo.squat.ai",
    names: { kind: "Peer", listKind: "PeerList", plural: "peers", singular: "peer" },
    scope: "Cluster",
  });
  const [{ schema, ...version }] = versions as [{ schema: { openAPIV3Schema: Fields } }];
  assert.deepEqual(version, { name: "v1alpha1", served: true, storage: true });
  assert.deepEqual(shape(schema.openAPIV3Schema), {
    type: "object",
    required: ["spec"],
    properties: {
      apiVersion: text,
      kind: text,
      metadata: { type: "object" },
      spec: {
        type: "object",
        required: ["allowedIPs", "publicKey"],
        properties: {
          allowedIPs: { type: "array", items: text },
          endpoint: {
            type: "object",
            required: ["dnsOrIP", "port"],
            properties: {
              dnsOrIP: { type: "object", properties: { dns: text, ip: text } },
              port: { type: "integer", format: "int32" },
            },
          },
          persistentKeepalive: { type: "integer" },
          presharedKey: text,
          publicKey: text,
        },
      },
    },
  });
});

Deno.test("the agent has just the rights that Kilo's has", async () => {
  const { rules } = await find("rbac.yaml", "ClusterRole");
  assert.deepEqual(rules, [
    { apiGroups: [""], resources: ["nodes"], verbs: ["list", "patch", "watch"] },
    { apiGroups: ["kilo.squat.ai"], resources: ["peers"], verbs: ["list", "watch"] },
    {
      apiGroups: ["apiextensions.k8s.io"],
      resources: ["customresourcedefinitions"],
      verbs: ["get"],
    },
  ]);
  const binding = await find("rbac.yaml", "ClusterRoleBinding");
  assert.deepEqual(binding.roleRef, {
    apiGroup: "rbac.authorization.k8s.io",
    kind: "ClusterRole",
    name: "kilo",
  });
  const account = { kind: "ServiceAccount", name: "kilo", namespace: "kube-system" };
  assert.deepEqual(binding.subjects, [account]);
});
