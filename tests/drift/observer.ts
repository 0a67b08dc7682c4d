/** Sees what happens to a machine's network as the kernel tells it, and when it is as it was. */

import { observe } from "../../src/dataplane/firewall/observe.ts";
import { formatIP } from "../../src/net/ip.ts";
import { formatPrefix } from "../../src/net/prefix.ts";
import { ROUTE_PROTOCOL } from "../../src/net/route.ts";
import { listAddresses } from "../../src/netlink/address.ts";
import { Connection } from "../../src/netlink/connection.ts";
import { NetlinkError } from "../../src/netlink/error.ts";
import { EventMonitor } from "../../src/netlink/events.ts";
import { openLibraries } from "../../src/netlink/libmnl.ts";
import { listLinks } from "../../src/netlink/link.ts";
import { listRoutes } from "../../src/netlink/route.ts";
import { listRules } from "../../src/netlink/rule.ts";
import { NETLINK_NETFILTER, NETLINK_ROUTE, Socket } from "../../src/netlink/socket.ts";
import type { Namespace } from "../lab/namespace.ts";
import { inNetworkOf } from "../lab/network.ts";
import { TimeoutError } from "../lab/wait.ts";

// Opened once for the process: no leak of the first test that needs them.
openLibraries();

/** Milliseconds after which nothing is expected to be repaired any more. */
const TIMEOUT = 10_000;

/** Something happened; was the network as it should be when we looked right then? */
interface Sight {
  readonly at: number;
  readonly right: boolean;
}

export class Observer implements AsyncDisposable {
  readonly #stack: DisposableStack;
  readonly #route: Connection;
  readonly #netfilter: Connection;
  readonly #watching: Promise<void>;
  #sights: Sight[] = [];
  #right: string;
  #wake = () => {};

  private constructor(parts: {
    stack: DisposableStack;
    route: Connection;
    netfilter: Connection;
    events: EventMonitor;
  }) {
    this.#stack = parts.stack;
    this.#route = parts.route;
    this.#netfilter = parts.netfilter;
    this.#right = this.state();
    this.#watching = this.#watch(parts.events);
  }

  static open(namespace: Namespace): Observer {
    return inNetworkOf(namespace.pid, () => {
      using stack = new DisposableStack();
      const route = stack.use(new Connection(Socket.open(NETLINK_ROUTE)));
      const netfilter = stack.use(new Connection(Socket.open(NETLINK_NETFILTER)));
      const events = stack.use(EventMonitor.open(["link", "address", "route", "rule", "nftables"]));
      return new Observer({ stack: stack.move(), route, netfilter, events });
    });
  }

  /** What the kernel has of the mesh, as text. Devices are told by name: they may be made again. */
  state(): string {
    const links = listLinks(this.#route);
    const name = (index: number | undefined) => links.find((link) => link.index === index)?.name;
    const state = {
      links: links.map(({ name, mtu, up }) => `${name} ${mtu} ${up ? "up" : "down"}`).sort(),
      addresses: listAddresses(this.#route)
        .map(({ index, prefix }) => `${name(index)} ${formatPrefix(prefix)}`)
        .filter((text) => !text.includes(" fe80:")).sort(),
      routes: ([4, 6] as const)
        .flatMap((family) => listRoutes(this.#route, { family, protocol: ROUTE_PROTOCOL }))
        .map(({ dst, gateway, source, oif, table, onlink }) =>
          [
            ...[formatPrefix(dst), "via", gateway && formatIP(gateway), "dev", name(oif)],
            ...["src", source && formatIP(source), "table", table, onlink && "onlink"],
          ].join(" ")
        ).sort(),
      rules: listRules(this.#route).filter(({ protocol }) => protocol === ROUTE_PROTOCOL)
        .map(({ src, dst, iif, table, priority }) =>
          [
            ...[priority, "from", src && formatPrefix(src), "to", dst && formatPrefix(dst)],
            ...["iif", iif, "lookup", table],
          ].join(" ")
        ).sort(),
      firewall: ([4, 6] as const).map((family) => observe(this.#netfilter, family)),
    };
    return JSON.stringify(
      state,
      (key, value) => key === "handle" ? undefined : typeof value === "bigint" ? `${value}` : value,
      1,
    );
  }

  /**
   * Milliseconds from when the kernel tells of the damage until all is as it was before; looked at
   * whenever the kernel tells of anything.
   */
  async repairTime(what: string, damage: () => Promise<unknown>): Promise<number> {
    this.#right = this.state();
    this.#sights = [];
    await damage();
    const end = performance.now() + TIMEOUT;
    while (!this.#sights.at(-1)?.right || !this.#isRight()) {
      if (performance.now() > end) {
        throw new TimeoutError(`${what}: not repaired: ${difference(this.#right, this.state())}`);
      }
      await this.#nextSight();
    }
    const [first, ...others] = this.#sights;
    const lastWrong = others.findLastIndex(({ right }) => !right);
    return (others[lastWrong + 1] ?? first)!.at - first!.at;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stack.dispose();
    await this.#watching;
  }

  async #watch(events: EventMonitor): Promise<void> {
    for await (const _ of events) {
      const at = performance.now();
      this.#sights.push({ at, right: this.#isRight() });
      this.#wake();
    }
  }

  /** What is deleted while we look at it is not right. */
  #isRight(): boolean {
    try {
      return this.state() === this.#right;
    } catch (error) {
      if (error instanceof NetlinkError) return false;
      throw error;
    }
  }

  /** Waits for one, or a moment. */
  async #nextSight(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, 100);
    this.#wake = resolve;
    await promise;
    clearTimeout(timer);
  }
}

function difference(before: string, after: string): string {
  const [was, is] = [before, after].map((text) => new Set(text.split("\n")));
  return [
    ...[...was!].filter((line) => !is!.has(line)).map((line) => `- ${line}`),
    ...[...is!].filter((line) => !was!.has(line)).map((line) => `+ ${line}`),
  ].join("\n");
}
