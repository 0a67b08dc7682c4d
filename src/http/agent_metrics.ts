/** What the agent counts of its work, under the names of its metrics. */

import { deviceMetrics, type PeerCounters } from "./device_metrics.ts";
import type { PartReport } from "./health.ts";
import { type Metric, type Sample, single } from "./metrics/exposition.ts";
import { Distribution } from "./metrics/distribution.ts";
import { processMetrics } from "./metrics/process.ts";
import { Tally } from "./metrics/tally.ts";
import { NOT_READY_REASONS, type NotReadyReason } from "../mesh/readiness.ts";
import { type Warning, WARNINGS } from "../net/warning.ts";

const EVENTS = ["apply", "checkin", "cleanUp", "local", "peer", "run"] as const;
export type ErrorEvent = typeof EVENTS[number];

const DATAPLANE_PARTS = ["device", "firewall", "flows", "routes", "rules"] as const;
export type DataplanePart = typeof DATAPLANE_PARTS[number];

/** An operation of the firewall in the terms of iptables, in which the original counts. */
export interface FirewallOperation {
  readonly protocol: string;
  readonly operation: string;
  readonly table: string;
  readonly chain: string;
  readonly count: number;
}

/** What is only looked up when somebody asks. */
export interface Present {
  /** Is the view of the objects up to date? */
  readonly live: boolean;
  /** How often it was made anew. */
  readonly relists: number;
  /** Milliseconds that changing the parts of the kernel took so far. */
  readonly spent: Readonly<Record<DataplanePart, number>>;
  readonly excluded: ReadonlyMap<NotReadyReason, number>;
  /** Those who ever shook hands, and how many seconds ago. */
  readonly handshakes: Iterable<{
    readonly kind: "node" | "peer";
    readonly name: string;
    readonly age: number;
  }>;
  /** All peers of the device. */
  readonly counters: Iterable<PeerCounters>;
}

/** What holds at present. */
export interface Standing {
  readonly warnings?: readonly Warning[];
  readonly parts?: readonly PartReport[];
}

export class AgentMetrics {
  readonly #errors = new Tally<"event">({
    name: "kilo_errors_total",
    help: "Errors by what failed.",
    seen: EVENTS.map((event) => ({ event })),
  });
  readonly #firewall = new Tally<Exclude<keyof FirewallOperation, "count">>({
    name: "kilo_iptables_operations_total",
    help: "What was done to the firewall, as operations of iptables.",
  });
  readonly #durations = new Distribution({
    name: "kilo_reconcile_duration_seconds",
    help: "How long reconciles took.",
    bounds: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10],
  });
  readonly #changes = new Tally<"subsystem">({
    name: "kilo_reconcile_changes_total",
    help: "Things that reconciles changed in the kernel.",
    seen: DATAPLANE_PARTS.map((subsystem) => ({ subsystem })),
  });
  readonly #messages = new Tally<"kind">({
    name: "kilo_netlink_messages_total",
    help: "Netlink messages written that may change something.",
  });
  readonly #repairs = new Tally<"kind">({
    name: "kilo_drift_repairs_total",
    help: "Repairs of what somebody else changed.",
  });
  #reconciles = 0;
  #refused = { routes: 0, rules: 0 };
  #isLeader = false;
  #mesh = { nodes: 0, peers: 0 };

  failed(event: ErrorEvent, count = 1): void {
    this.#errors.add({ event }, count);
  }

  /**
   * A reconcile begins, in a mesh of so many ready nodes (this one too) and ready Peers; it ends when
   * what this returns is disposed of.
   */
  attempt(mesh: { readonly nodes: number; readonly peers: number }): Disposable {
    this.#reconciles += 1;
    this.#mesh = mesh;
    const start = performance.now();
    const stop = () => this.#durations.observe((performance.now() - start) / 1000);
    return { [Symbol.dispose]: stop };
  }

  /** A reconcile succeeded, and changed so many things. */
  applied(
    changes: Readonly<Record<DataplanePart, number>>,
    { isLeader }: { readonly isLeader: boolean },
  ): void {
    this.#isLeader = isLeader;
    for (const subsystem of DATAPLANE_PARTS) this.#changes.add({ subsystem }, changes[subsystem]);
  }

  /** So many are not accepted by the kernel. */
  refused(refused: { readonly routes: number; readonly rules: number }): void {
    this.#refused = { ...refused };
  }

  /** So many netlink messages of a kind were written. */
  wrote(kind: string, count: number): void {
    this.#messages.add({ kind }, count);
  }

  firewallDid(operations: readonly FirewallOperation[]): void {
    for (const { count, ...labels } of operations) this.#firewall.add(labels, count);
  }

  /** Things of this kind were not as they had been made. */
  repaired(kind: string): void {
    this.#repairs.add({ kind });
  }

  /** Everything, with what is so at present; undefined while there is nothing yet. */
  collect(present: Present | undefined, { warnings = [], parts = [] }: Standing = {}): Metric[] {
    return [
      this.#errors.metric,
      gauge("kilo_leader", "Does this node lead its location?", Number(this.#isLeader)),
      gauge("kilo_nodes", "Ready nodes in the mesh, this one too.", this.#mesh.nodes),
      gauge("kilo_peers", "Ready Peers in the mesh.", this.#mesh.peers),
      single("counter", {
        name: "kilo_reconciles_total",
        help: "Attempts to bring the kernel to what the objects say.",
        value: this.#reconciles,
      }),
      this.#firewall.metric,
      this.#durations.metric,
      this.#changes.metric,
      this.#messages.metric,
      this.#repairs.metric,
      warningMetric(warnings),
      {
        name: "kilo_part_failing",
        help: "Does a part of /health fail at present?",
        type: "gauge",
        samples: parts.map(({ name, state }): Sample => (
          { labels: { part: name }, value: Number(state === "fails") }
        )),
      },
      {
        name: "kilo_refused",
        help: "Routes and rules that the kernel does not accept at present.",
        type: "gauge",
        samples: Object.entries(this.#refused).map(([subsystem, value]): Sample => (
          { labels: { subsystem }, value }
        )),
      },
      ...present ? presentMetrics(present) : [],
      ...present && this.#isLeader
        ? [handshakeMetric(present), ...deviceMetrics(present.counters)]
        : [],
      ...processMetrics(),
    ];
  }
}

function presentMetrics({ live, relists, spent, excluded }: Present): Metric[] {
  return [
    {
      name: "kilo_reconcile_seconds_total",
      help: "Time that reconciles spent on parts of the kernel, in seconds.",
      type: "counter",
      samples: DATAPLANE_PARTS.map((subsystem): Sample => (
        { labels: { subsystem }, value: spent[subsystem] / 1000 }
      )),
    },
    gauge("kilo_backend_live", "Is the view of Nodes and Peers up to date?", Number(live)),
    single("counter", {
      name: "kilo_watch_restarts_total",
      help: "How often the view of Nodes was lost and made anew.",
      value: relists,
    }),
    {
      name: "kilo_excluded_nodes",
      help: "Nodes that are not in the mesh.",
      type: "gauge",
      samples: NOT_READY_REASONS.map((reason): Sample => (
        { labels: { reason }, value: excluded.get(reason) ?? 0 }
      )),
    },
  ];
}

function warningMetric(warnings: readonly Warning[]): Metric {
  const counts = new Map<string, number>();
  for (const { code } of warnings) counts.set(code, (counts.get(code) ?? 0) + 1);
  return {
    name: "kilo_warnings",
    help: "Warnings that hold at present, by code.",
    type: "gauge",
    samples: Object.keys(WARNINGS).map((code): Sample => (
      { labels: { code }, value: counts.get(code) ?? 0 }
    )),
  };
}

/** Only leaders shake hands; what led once remembers old ones. */
function handshakeMetric({ handshakes }: Present): Metric {
  return {
    name: "kilo_last_handshake_age_seconds",
    help: "Time since the last WireGuard handshake with a location's leader or a Peer.",
    type: "gauge",
    samples: Array.from(handshakes, ({ kind, name, age }): Sample => (
      { labels: { kind, name }, value: age }
    )),
  };
}

function gauge(name: string, help: string, value: number): Metric {
  return single("gauge", { name, help, value });
}
