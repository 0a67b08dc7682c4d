/** The parts that all Kubernetes objects share (k8s.io/apimachinery, meta/v1), as JSON has them. */

export interface ObjectMeta {
  readonly name: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly labels?: Readonly<Record<string, string>> | null;
  readonly annotations?: Readonly<Record<string, string>> | null;
  /** Who set which fields: paths of `f:NAME` keys. */
  readonly managedFields?:
    | readonly { readonly fieldsV1?: Readonly<Record<string, Readonly<Record<string, unknown>>>> }[]
    | null;
}

/** Anything with metadata; of the rest nothing is known. */
export interface KubernetesObject {
  readonly metadata: ObjectMeta;
}

/** `ListMeta` and the items. */
export interface KubernetesList<T> {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: readonly T[] | null;
}

/** How a server says no, in an answer or a watch. */
export interface Status {
  readonly kind: "Status";
  readonly message?: string;
  readonly reason?: string;
  readonly code?: number;
}

/** How much of an object is wanted: `metadata` leaves out everything but that. */
export type Representation = "full" | "metadata";

/**
 * Which of two resource versions is older: they are decimal numbers that only grow, one sequence
 * for all objects of a kind. Below 0: `a` is older than `b`.
 */
export function compareResourceVersions(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}
