/** Warnings are values with an identity: the log, `/health` and the metrics show the same ones. */

/** One of {@link WARNINGS}. */
export type WarningCode = keyof typeof WARNINGS;

export interface Warning {
  readonly code: WarningCode;
  /** The one thing it is about: `Peer laptop`, `node berlin-1`, `interface kilo0`. */
  readonly subject: string;
  /** One sentence for people: names the thing, the value and what to do. Never a key or a token. */
  readonly text: string;
}

/** A warning; `subject` names the one thing that it is about. */
export function warning(code: WarningCode, subject: string, text: string): Warning {
  return { code, subject, text };
}

/** Every kind of warning by its code, with its title. A code is never given another meaning. */
export const WARNINGS = {
  "address": "an address of this host, or the lack of one",
  "backend": "the source of Nodes and Peers",
  "cni": "the CNI configuration",
  "conflict": "another program undoes our changes",
  "device": "the WireGuard device",
  "dns": "a DNS name does not resolve",
  "duplicate": "two objects claim the same thing",
  "encapsulation": "packets inside the location",
  "firewall": "the firewall",
  "forwarding": "the kernel does not forward",
  "lock": "the lock that keeps a second agent away",
  "mesh": "the mesh as a whole",
  "node": "a Node object",
  "peer": "a Peer object",
  "protected": "a network that this host keeps",
  "route": "a route or a policy rule",
} as const;
