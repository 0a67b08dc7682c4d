/** What the firewall shall mean on this node, whatever renders it. Both address families are mixed. */

import type { Prefix } from "./prefix.ts";

export interface Firewall {
  readonly nat: {
    /** Sources whose packets pass the decision: the local pod subnet (with CNI) and Peers' allowed IPs. */
    readonly sources: readonly Prefix[];
    /** Destinations whose packets pass it: allowed location IPs of the own location. */
    readonly destinations: readonly Prefix[];
    /** Destinations left alone; everything else that passes is masqueraded. */
    readonly keep: readonly Prefix[];
  };
  /** IPIP to this host: accepted from these, else dropped. Absent: not our business. */
  readonly ipip?: { readonly sources: readonly Prefix[] };
  /** Forwarded packets from or to these are accepted. Absent: not our business. */
  readonly forward?: readonly Prefix[];
}
