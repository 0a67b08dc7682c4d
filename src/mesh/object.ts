/** The Kubernetes objects a mesh is made of, as far as they are read; and is a value shaped so? */

const prefix = "kilo.squat.ai";

/** What people and agents say of a node. */
export const ANNOTATIONS = {
  forceEndpoint: `${prefix}/force-endpoint`,
  forceInternalIP: `${prefix}/force-internal-ip`,
  leader: `${prefix}/leader`,
  location: `${prefix}/location`,
  persistentKeepalive: `${prefix}/persistent-keepalive`,
  allowedLocationIPs: `${prefix}/allowed-location-ips`,
  endpoint: `${prefix}/endpoint`,
  internalIP: `${prefix}/internal-ip`,
  key: `${prefix}/key`,
  lastSeen: `${prefix}/last-seen`,
  wireGuardIP: `${prefix}/wireguard-ip`,
  discoveredEndpoints: `${prefix}/discovered-endpoints`,
  granularity: `${prefix}/granularity`,
  cniCompatibilityIP: `${prefix}/cni-compatibility-ip`,
  encapsulationIP: `${prefix}/encapsulation-ip`,
} as const;

export type Strings = Readonly<Record<string, string>>;

const OURS: ReadonlySet<string> = new Set(Object.values(ANNOTATIONS));

/** Those of an object's annotations that are read or written here, in their order. */
export function ourAnnotations(annotations: Strings | null | undefined): Strings {
  const ours: Record<string, string> = {};
  for (const [name, text] of Object.entries(annotations ?? {})) {
    if (OURS.has(name)) ours[name] = text;
  }
  return ours;
}

export interface NodeObject {
  readonly metadata: {
    readonly name: string;
    readonly labels?: Strings | null;
    readonly annotations?: Strings | null;
    /** RFC 3339; YAML reads it as a date where it stands without quotes. */
    readonly creationTimestamp?: string | Date | null;
  };
  readonly spec?: { readonly podCIDR?: string | null } | null;
}

export const PEER_API_VERSION = `${prefix}/v1alpha1`;

/** Kind `Peer` of {@link PEER_API_VERSION}. As in Go, `null` is the same as nothing. */
export interface PeerObject {
  readonly metadata: { readonly name: string };
  readonly spec?: {
    readonly allowedIPs?: readonly (string | null)[] | null;
    readonly endpoint?: {
      readonly dnsOrIP?: { readonly dns?: string | null; readonly ip?: string | null } | null;
      readonly port?: number | null;
    } | null;
    readonly persistentKeepalive?: number | null;
    readonly presharedKey?: string | null;
    readonly publicKey?: string | null;
  } | null;
}

/** A value is not shaped like the object it should be; the message names the field, never its value. */
export class ObjectShapeError extends Error {
  override readonly name = "ObjectShapeError";
}

/** The value as a Node object; throws ObjectShapeError if a field we read has another type. */
export function asNodeObject(value: unknown): NodeObject {
  const object = fields(value, "the object");
  const metadata = fields(object.metadata, "metadata");
  nonEmpty(metadata.name, "metadata.name");
  strings(metadata.labels, "metadata.labels");
  strings(metadata.annotations, "metadata.annotations");
  if (isThere(object.spec)) optional("string", fields(object.spec, "spec").podCIDR, "spec.podCIDR");
  return value as NodeObject;
}

/** The value as a Peer object; throws ObjectShapeError if a field has another type. */
export function asPeerObject(value: unknown): PeerObject {
  const object = fields(value, "the object");
  nonEmpty(fields(object.metadata, "metadata").name, "metadata.name");
  if (isThere(object.spec)) checkPeerSpec(fields(object.spec, "spec"));
  return value as PeerObject;
}

function checkPeerSpec(spec: Fields): void {
  if (isThere(spec.allowedIPs)) {
    if (!Array.isArray(spec.allowedIPs)) {
      throw new ObjectShapeError("spec.allowedIPs is not a list");
    }
    spec.allowedIPs.forEach((ip, at) => optional("string", ip, `spec.allowedIPs[${at}]`));
  }
  if (isThere(spec.endpoint)) {
    const endpoint = fields(spec.endpoint, "spec.endpoint");
    if (isThere(endpoint.dnsOrIP)) {
      const host = fields(endpoint.dnsOrIP, "spec.endpoint.dnsOrIP");
      optional("string", host.dns, "spec.endpoint.dnsOrIP.dns");
      optional("string", host.ip, "spec.endpoint.dnsOrIP.ip");
    }
    optional("integer", endpoint.port, "spec.endpoint.port");
  }
  optional("integer", spec.persistentKeepalive, "spec.persistentKeepalive");
  optional("string", spec.presharedKey, "spec.presharedKey");
  optional("string", spec.publicKey, "spec.publicKey");
}

export type Fields = Readonly<Record<string, unknown>>;

function isThere(value: unknown): boolean {
  return value !== undefined && value !== null;
}

/** The value's fields; throws ObjectShapeError if it is missing, or no object. */
export function fields(value: unknown, path: string): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw new ObjectShapeError(`${path} is ${isThere(value) ? "not an object" : "missing"}`);
}

function nonEmpty(value: unknown, path: string): void {
  if (typeof value === "string" && value !== "") return;
  throw new ObjectShapeError(`${path} is not a string with text in it`);
}

/** Throws ObjectShapeError if the value is there and of another type. */
export function optional(type: "string" | "integer", value: unknown, path: string): void {
  if (!isThere(value)) return;
  if (type === "integer" ? Number.isInteger(value) : typeof value === "string") return;
  throw new ObjectShapeError(`${path} is not ${type === "integer" ? "an integer" : "a string"}`);
}

function strings(value: unknown, path: string): void {
  if (!isThere(value)) return;
  for (const [name, text] of Object.entries(fields(value, path))) {
    if (typeof text === "string") continue;
    throw new ObjectShapeError(`${path}: ${name} is not a string (YAML wants quotes around it)`);
  }
}
