/**
 * When to ask for a whole Node, to learn its pod CIDR: events hold metadata only. Most Nodes have one
 * from the beginning, and one that is set never changes; those without are asked for seldom, since
 * every agent does so, and each check-in is an event.
 */

import type { KubernetesObject } from "../../kubernetes/object.ts";

/** Milliseconds between two polls of a Node that does not say it has a pod CIDR; check-ins come each 30 s. */
const PERIOD = 50_000;

interface Poll {
  readonly uid: string;
  readonly at: number;
  /** It said then already that the pod CIDR was set. */
  readonly wasSet: boolean;
}

/** Times are monotonic, in milliseconds. */
export class PodCIDRPolls {
  readonly #polls = new Map<string, Poll>();

  /** This whole Node has none. */
  missing(node: KubernetesObject, now: number): void {
    this.#polls.set(node.metadata.name, pollOf(node, now));
  }

  /** Its pod CIDR is known, or it is gone. */
  forget(name: string): void {
    this.#polls.delete(name);
  }

  /** Is it time to ask for this Node, whose pod CIDR is not known? Then it counts as asked for. */
  isDue(node: KubernetesObject, now: number): boolean {
    const last = this.#polls.get(node.metadata.name);
    const poll = pollOf(node, now);
    const isDue = last?.uid !== poll.uid || now - last.at >= PERIOD ||
      (poll.wasSet && !last.wasSet);
    if (isDue) this.#polls.set(node.metadata.name, poll);
    return isDue;
  }
}

function pollOf(node: KubernetesObject, at: number): Poll {
  return { uid: node.metadata.uid ?? "", at, wasSet: isPodCIDRSet(node) };
}

/** Whoever sets a field is on record (`ManagedFieldsEntry`, server-side apply), with its path. */
function isPodCIDRSet({ metadata }: KubernetesObject): boolean {
  return (metadata.managedFields ?? []).some(({ fieldsV1 }) =>
    fieldsV1?.["f:spec"]?.["f:podCIDR"] !== undefined
  );
}
