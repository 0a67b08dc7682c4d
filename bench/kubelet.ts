/** What kubelets make of Nodes: far more than a mesh needs, and kg must read past it. */

import type { NodeManifest } from "../tests/lab/manifests.ts";

const IMAGES = 50;
const DIGEST = "0123456789abcdef".repeat(4);

/** The Node as it is in a cluster, some 12 KB as JSON. */
export function registered(node: NodeManifest): Record<string, unknown> {
  const { name, annotations } = node.metadata;
  const resources = { "cpu": "8", "memory": "32784920Ki", "pods": "110" };
  return {
    ...node,
    metadata: {
      name,
      labels: {
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "node-role.kubernetes.io/worker": "",
        "node.kubernetes.io/instance-type": "general-8",
        "topology.kubernetes.io/region": annotations?.["kilo.squat.ai/location"] ?? "",
      },
      annotations: {
        "node.alpha.kubernetes.io/ttl": "0",
        "volumes.kubernetes.io/controller-managed-attach-detach": "true",
        ...annotations,
      },
    },
    status: {
      addresses: [{ type: "Hostname", address: name }],
      capacity: resources,
      allocatable: resources,
      ...heartbeat(),
      nodeInfo: {
        architecture: "amd64",
        bootID: "8a3c5a6e-0d51-4a0e-9d5c-2f5a0f7b7a11",
        containerRuntimeVersion: "containerd://2.1.4",
        kernelVersion: "6.12.48",
        kubeProxyVersion: "",
        kubeletVersion: "v1.36.3",
        machineID: "e2b5c0c7f7f84d5c8f0d1a9b6c3e4f50",
        operatingSystem: "linux",
        osImage: "Debian GNU/Linux 13 (trixie)",
        systemUUID: "e2b5c0c7-f7f8-4d5c-8f0d-1a9b6c3e4f50",
      },
      images: Array.from({ length: IMAGES }, (_, at) => image(at)),
    },
  };
}

/** The part of a Node's status that its kubelet sends again and again, whatever is new. */
export function heartbeat(): { readonly conditions: readonly unknown[] } {
  const now = new Date().toISOString().replace(/\.\d+/, "");
  const types = ["MemoryPressure", "DiskPressure", "PIDPressure", "Ready"];
  return {
    conditions: types.map((type) => ({
      type,
      status: type === "Ready" ? "True" : "False",
      reason: `KubeletReports${type}`,
      message: `kubelet has looked at ${type}`,
      lastHeartbeatTime: now,
      lastTransitionTime: "2026-01-01T00:00:00Z",
    })),
  };
}

function image(at: number): unknown {
  const name = `registry.example/team-${at % 7}/service-${at}`;
  return { names: [`${name}@sha256:${DIGEST}`, `${name}:v1.${at}.0`], sizeBytes: 10_000_000 + at };
}
