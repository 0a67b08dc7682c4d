/** What the agent reports of itself over HTTP. Its parts report their state here; requests read it. */

import type { Backend, Problem } from "../backend/backend.ts";
import { AgentMetrics } from "../http/agent_metrics.ts";
import type { DotText } from "../http/graph.ts";
import { Health, type HealthReport, type PartReport } from "../http/health.ts";
import type { Metric } from "../http/metrics/exposition.ts";
import type { Sources } from "../http/pages.ts";
import { trimMemory } from "./memory_trim.ts";
import type { TunnelState } from "../dataplane/tunnel.ts";
import type { View } from "./view.ts";
import { withoutKeys } from "../net/text.ts";
import type { Warning } from "../net/warning.ts";

/** Parts that are listed only while they fail. */
const RARE: readonly string[] = ["routes", "encapsulation"];

function isShown({ name, state }: PartReport): boolean {
  return state === "fails" || !RARE.includes(name);
}

/** So many warnings are listed; the metrics count all. */
const MOST_WARNINGS = 100;

export class Monitor implements Sources {
  readonly counts = new AgentMetrics();
  readonly parts = new Health(["backend", "check-in", "mesh", "routes", "encapsulation"], {
    pending: "reading the key",
  });
  /** Those that hold at present. */
  warnings: readonly Warning[] = [];
  #view: View | undefined;
  #hasStood = false;
  #problems: readonly Problem[] = [];

  /** From now on there is something to be seen. */
  show(view: View): void {
    this.#view = view;
  }

  /** Something happened to the backend. */
  backendChanged(backend: Backend): void {
    const { problems } = backend.cluster();
    const [first] = problems; // says why, if it is not live
    if (backend.live) this.parts.works("backend");
    else if (first) this.parts.fails("backend", first.text);
    if (problems !== this.#problems) this.#count(problems);
    this.#problems = problems;
  }

  /** Those that are new. */
  #count(problems: readonly Problem[]): void {
    const known = new Set(this.#problems.map(({ text }) => text));
    for (const { event, text } of problems) {
      if (event && !known.has(text)) this.counts.failed(event);
    }
  }

  /** The kernel is as the objects say. */
  meshStands(): void {
    this.#hasStood = true;
    this.parts.pending = undefined;
    this.parts.works("mesh");
  }

  /**
   * So many routes and rules the kernel does not accept. Packets inside the location go through the
   * tunnel; undefined: as they are, and so they should.
   */
  applied(
    refused: Readonly<Record<"routes" | "rules", number>>,
    tunnel: TunnelState | undefined,
  ): void {
    this.counts.refused(refused);
    const { routes, rules } = refused;
    if (routes + rules === 0) this.parts.works("routes");
    else this.parts.fails("routes", `the kernel refuses ${routes} routes and ${rules} rules`);
    this.#encapsulates(tunnel);
  }

  #encapsulates(tunnel: TunnelState | undefined): void {
    switch (tunnel?.state) {
      case "unsupported": // for good, as far as we know
        return this.parts.fails("encapsulation", tunnel.cause.message, { grace: 0 });
      case "absent":
        return this.parts.fails("encapsulation", "the tunnel device is not there");
      default:
        return this.parts.works("encapsulation");
    }
  }

  /** Nothing can be done for now; what was done stays. */
  meshStalls(why: string): void {
    if (this.#hasStood) this.parts.fails("mesh", why);
    else this.parts.pending = why;
  }

  /**
   * What stood was found otherwise: netlink messages of these kinds were written, so many settings of the
   * WireGuard device and so many files.
   */
  repaired(
    kinds: ReadonlySet<string>,
    { device, files }: { readonly device: number; readonly files: number },
  ): void {
    const repairs = new Set(kinds);
    repairs.delete("conntrack"); // follows from the firewall's
    if (device > 0) repairs.add("wireguard");
    if (files > 0) repairs.add("CNI");
    for (const kind of repairs) this.counts.repaired(kind);
  }

  health(): HealthReport & { readonly warnings: readonly Warning[] } {
    if (this.#view) this.backendChanged(this.#view.backend);
    const { pending, parts, ...report } = this.parts.report();
    return {
      ...report,
      warnings: this.warnings.slice(0, MOST_WARNINGS)
        .map(({ code, subject, text }) => ({ code, subject, text: withoutKeys(text) })),
      pending: pending && withoutKeys(pending),
      parts: parts.filter(isShown).map((part) => ({
        ...part,
        ...part.problem !== undefined && { problem: withoutKeys(part.problem) },
      })),
    };
  }

  metrics(): Iterable<Metric> {
    return this.counts.collect(this.#view?.present(), {
      warnings: this.warnings,
      parts: this.parts.report().parts,
    });
  }

  mesh(): DotText {
    return this.#view?.mesh() ?? { problem: "the agent has not begun yet" };
  }

  trimMemory(): void {
    trimMemory();
  }
}
