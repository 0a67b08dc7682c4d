/** The agent's hold on the kernel: sockets, the dataplane over them, and the events that affect it. */

import { Dataplane, type DataplaneSettings, type StateKind } from "../dataplane/dataplane.ts";
import { Device } from "../dataplane/wireguard/device.ts";
import { FirewallApplier } from "../dataplane/firewall/applier.ts";
import { FlowApplier } from "../dataplane/flow_applier.ts";
import type { AgentMetrics } from "../http/agent_metrics.ts";
import type { Encapsulator } from "../mesh/encapsulation.ts";
import { Connection } from "../netlink/connection.ts";
import { NetlinkError } from "../netlink/error.ts";
import { EventMonitor, type OwnSocket } from "../netlink/events.ts";
import { NETLINK_GENERIC, NETLINK_NETFILTER, NETLINK_ROUTE, Socket } from "../netlink/socket.ts";
import { kernelClient } from "../wireguard/kernel.ts";
import { userspaceClient } from "../wireguard/userspace.ts";
import type { AgentOptions } from "./options.ts";
import { holderOfPort } from "./port_holder.ts";

/** Everything that is to be closed, and nothing but that: what is in the kernel stays. */
export class Kernel implements Disposable {
  readonly dataplane: Dataplane;
  readonly #resources: DisposableStack;
  readonly #events: EventMonitor;
  readonly #writes = new Map<string, number>();

  /** Throws a NetlinkError if the kernel lacks what the agent cannot do without. */
  constructor(options: AgentOptions, counts: AgentMetrics) {
    using resources = new DisposableStack();
    const connect = (family: number) =>
      resources.use(
        new Connection(Socket.open(family), {
          onWrite: (kind, count) => {
            this.#writes.set(kind, (this.#writes.get(kind) ?? 0) + count);
            counts.wrote(kind, count);
          },
        }),
      );
    const route = connect(NETLINK_ROUTE);
    const netfilter = connect(NETLINK_NETFILTER);
    const generic = connect(NETLINK_GENERIC);
    const { interface: name } = options;
    this.dataplane = new Dataplane({
      connection: route,
      device: new Device([kernelClient(name, generic), userspaceClient(name)]),
      firewall: new FirewallApplier(netfilter, { did: (done) => counts.firewallDid(done) }),
      flows: new FlowApplier(netfilter, () => new Connection(Socket.open(NETLINK_NETFILTER))),
      holderOfPort: (port) => holderOfPort(port, { host: this.dataplane.host, own: name, generic }),
    }, dataplaneSettings(options));
    this.#events = resources.use(openEvents([
      { family: NETLINK_ROUTE, portId: route.portId },
      { family: NETLINK_NETFILTER, portId: netfilter.portId },
    ]));
    this.#resources = resources.move();
  }

  /** How many messages that may change something were handed to the kernel so far, by kind. */
  get writes(): ReadonlyMap<string, number> {
    return new Map(this.#writes);
  }

  /** The kinds of those since then. */
  writtenSince(before: ReadonlyMap<string, number>): ReadonlySet<string> {
    const kinds = [...this.#writes].filter(([kind, count]) => count !== before.get(kind));
    return new Set(kinds.map(([kind]) => kind));
  }

  /** Calls `changed` whenever others changed what the agent looks after, until {@link stopWatching}. */
  async watch(changed: (kinds: readonly StateKind[]) => void): Promise<void> {
    for await (const events of this.#events) {
      const kinds = events.filter((each) => this.dataplane.affectsMesh(each))
        .map(({ kind }) => kind);
      if (kinds.length > 0) changed(kinds);
    }
  }

  stopWatching(): void {
    this.#events[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.#resources.dispose();
  }
}

/** Some of them only those may see who may change the network. */
function openEvents(own: readonly OwnSocket[]): EventMonitor {
  try {
    return EventMonitor.open(["link", "address", "route", "rule", "nftables"], { own });
  } catch (cause) {
    if (!(cause instanceof NetlinkError && cause.isPermission())) throw cause;
    throw new Error("no right to change the network (CAP_NET_ADMIN)", { cause });
  }
}

/** Who encapsulates packets inside a location. */
export function encapsulatorOf({ compatibility }: AgentOptions): Encapsulator {
  return compatibility ?? "ipip";
}

function dataplaneSettings(options: AgentOptions): DataplaneSettings {
  return {
    interface: {
      name: options.interface,
      ifMissing: options.createInterface ? "create" : "wait",
      mtu: options.mtu,
    },
    ...options.encapsulate !== "never" && { encapsulator: encapsulatorOf(options) },
  };
}
