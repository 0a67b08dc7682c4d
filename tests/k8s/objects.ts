/** Objects for tests. */

/** A Node, as big as asked for: real ones are 12 KB. */
export function node(
  name: string,
  { podCIDR, annotations = {}, bytes = 0 }: {
    readonly podCIDR?: string;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly bytes?: number;
  } = {},
): Record<string, unknown> {
  const image = "registry.example/some/image@sha256:0123456789abcdef0123456789abcdef";
  const images = Array.from(
    { length: bytes / 100 },
    (_, at) => ({ names: [image], sizeBytes: at }),
  );
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, annotations },
    ...podCIDR !== undefined && { spec: { podCIDR, podCIDRs: [podCIDR] } },
    ...images.length > 0 && { status: { images } },
  };
}

/** A Peer with this specification. */
export function peer(
  name: string,
  spec: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  return { apiVersion: "kilo.squat.ai/v1alpha1", kind: "Peer", metadata: { name }, spec };
}
