/** What a person can ask of the agent; the command line fills it in. */

import type { BackendChoice } from "../backend/open.ts";
import type { Granularity } from "../mesh/node.ts";
import type { Prefix } from "../net/prefix.ts";
import type { LogLevel } from "./log.ts";

export interface AgentOptions {
  readonly backend: BackendChoice;
  /** Undo the changes to the network on SIGINT or SIGTERM. */
  readonly cleanUp: boolean;
  /** … and then delete the WireGuard interface too. */
  readonly cleanUpInterface: boolean;
  readonly cni: boolean;
  /** Path of the CNI configuration list. */
  readonly cniPath: string;
  readonly compatibility: "flannel" | "cilium" | undefined;
  /** False: the interface must exist (userspace WireGuard). */
  readonly createInterface: boolean;
  /** Encapsulation inside a location. */
  readonly encapsulate: "never" | "crosssubnet" | "always";
  /** Which rendering of the firewall. */
  readonly firewall: "nftables" | "iptables";
  /** The Node this agent stands for. */
  readonly hostname: string;
  readonly interface: string;
  /** Not empty: only addresses inside count as internal candidates. */
  readonly internalCidr: readonly Prefix[];
  readonly iptablesForwardRules: boolean;
  /** Address of health and metrics, Go's spelling: `:1107`. */
  readonly listen: string;
  /** Manage routes inside the location. */
  readonly local: boolean;
  readonly logLevel: LogLevel;
  readonly meshGranularity: Granularity;
  readonly mtu: number | "auto";
  /** WireGuard's UDP port. */
  readonly port: number;
  readonly prioritisePrivateAddresses: boolean;
  /** Milliseconds. */
  readonly resyncPeriod: number;
  /** Traffic to these is never masqueraded. */
  readonly serviceCidr: readonly Prefix[];
  /** Where WireGuard addresses come from. */
  readonly subnet: Prefix;
  readonly topologyLabel: string;
}
