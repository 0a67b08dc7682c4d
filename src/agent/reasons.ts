/** Why a reconcile pass may be needed, and what follows from each reason. */

interface Consequences {
  /**
   * What is observed again. "on arrival": the kinds of state that an event names, when it arrives.
   * "backed off": the kinds whose repair backoff is over.
   */
  readonly invalidates: "nothing" | "on arrival" | "wireguard" | "backed off" | "everything";
  /** When a pass follows. After a failure it always does. */
  readonly pass: "always" | "if the device is not in sync" | "if a node has expired" | "never";
  /** The pass only restores what others changed. */
  readonly isRepair?: true;
}

const ALL = {
  /** A node, a Peer, a name or an address has changed. */
  "mesh": { invalidates: "nothing", pass: "always" },
  /** Others changed something in the kernel. */
  "kernel": { invalidates: "on arrival", pass: "always", isRepair: true },
  /** Others touched the CNI configuration. */
  "files": { invalidates: "on arrival", pass: "always", isRepair: true },
  /** WireGuard sends no notifications, so poll. */
  "poll": { invalidates: "wireguard", pass: "if the device is not in sync" },
  /** A node may have gone stale. */
  "expiry": { invalidates: "nothing", pass: "if a node has expired" },
  /** A repair backoff is over. */
  "resume": { invalidates: "backed off", pass: "always", isRepair: true },
  /** Time to check everything. */
  "resync": { invalidates: "everything", pass: "always" },
  /** The last pass failed, and invalidated everything. */
  "retry": { invalidates: "nothing", pass: "always" },
  /** The last pass left something for later. */
  "follow-up": { invalidates: "nothing", pass: "always" },
  /** A change a while ago took memory, which can be returned now. */
  "trim": { invalidates: "nothing", pass: "never" },
} as const satisfies Record<string, Consequences>;

export type Reason = keyof typeof ALL;

export const REASONS: Readonly<Record<Reason, Consequences>> = ALL;

/** Does a pass for these reasons only restore what others changed? */
export function isRepair(reasons: ReadonlySet<Reason>): boolean {
  return [...reasons].every((reason) => REASONS[reason].isRepair);
}
