/**
 * The kernel's routing tables behind a netlink socket, as far as rivals for one place matter: a
 * model of fib_table_insert and fib_table_delete (net/ipv4/fib_trie.c), fib6_add_rt2node
 * (net/ipv6/ip6_fib.c) and ip6_route_del (net/ipv6/route.c).
 */

import { equalIP } from "../../src/net/ip.ts";
import { equalPrefix } from "../../src/net/prefix.ts";
import { EEXIST, ESRCH } from "../../src/os/errno.ts";
import {
  type Message,
  NLM_F_MULTI,
  NLM_F_REPLACE,
  NLMSG_DONE,
  NLMSG_ERROR,
  readMessages,
  type Request,
  writeMessage,
} from "../../src/netlink/message.ts";
import {
  addRoute,
  parseRoute,
  type RouteEntry,
  RTM_DELROUTE,
  RTM_GETROUTE,
  RTM_NEWROUTE,
} from "../../src/netlink/route.ts";
import type { Transport } from "../../src/netlink/transport.ts";
import { Writer } from "../../src/netlink/writer.ts";
import { equalRoute } from "../../src/dataplane/routes.ts";

export interface FibOptions {
  /** Kernels before 6.x leave an IPv6 route with gateway when one without is to replace it. */
  readonly keepsGatewayRoutes?: boolean;
}

export class SimulatedFib implements Transport {
  readonly portId = 1;
  /** Rivals in the order in which they count. */
  routes: RouteEntry[];
  /** How many messages came in. */
  messages = 0;
  /** Called after each change. */
  onChange: () => void = () => {};
  /** The error number with which a route is refused; 0: it is not. */
  refuse: (route: RouteEntry) => number = () => 0;
  readonly #options: FibOptions;
  readonly #answers: Uint8Array<ArrayBuffer>[] = [];

  constructor(routes: readonly RouteEntry[] = [], options: FibOptions = {}) {
    this.routes = [...routes];
    this.#options = options;
  }

  send(bytes: Uint8Array<ArrayBuffer>): void {
    for (const message of readMessages(bytes)) {
      this.messages++;
      if (message.type === RTM_GETROUTE) this.#answers.push(dumpOf(this.routes, message));
      else this.#answers.push(answerTo(message, this.#change(message)));
    }
  }

  receive(): Uint8Array<ArrayBuffer> | undefined {
    return this.#answers.shift();
  }

  [Symbol.dispose](): void {}

  #change(message: Message): number {
    const route = parseRoute(message);
    if (!route) throw new Error("not a route");
    const errno = message.type === RTM_DELROUTE
      ? this.#delete(route)
      : this.refuse(route) || this.#insert(route, { replace: !!(message.flags & NLM_F_REPLACE) });
    this.onChange();
    return errno;
  }

  #insert(route: RouteEntry, how: { readonly replace: boolean }): number {
    return route.dst.ip.family === 4 ? this.#insert4(route, how) : this.#insert6(route, how);
  }

  #insert4(route: RouteEntry, { replace }: { readonly replace: boolean }): number {
    const rivals = this.routes.filter((other) => areRivals(other, route));
    const [first] = rivals;
    const twin = rivals.find((other) => equalRoute(other, route));
    if (twin) return replace && twin === first ? 0 : EEXIST;
    if (!first) this.routes.push(route);
    else this.routes.splice(this.routes.indexOf(first), replace ? 1 : 0, route);
    return 0;
  }

  #insert6(route: RouteEntry, { replace }: { readonly replace: boolean }): number {
    if (!replace) throw new Error("would join another route into a multipath one");
    const rivals = this.routes.filter((other) => areRivals(other, route));
    const alike = rivals.filter((other) => !other.gateway === !route.gateway);
    const fallback = route.gateway || !this.#options.keepsGatewayRoutes ? rivals[0] : undefined;
    const replaced = alike[0] ?? fallback;
    if (!replaced) {
      this.routes.push(route);
      return 0;
    }
    this.routes[this.routes.indexOf(replaced)] = route;
    if (route.gateway) this.routes = this.routes.filter((other) => !alike.includes(other));
    return 0;
  }

  #delete(route: RouteEntry): number {
    const victim = this.routes.find((other) =>
      areRivals(other, route) && other.protocol === route.protocol &&
      other.type === route.type && other.scope === route.scope &&
      (route.oif === undefined || other.oif === route.oif) &&
      (!route.gateway || equalIP(other.gateway, route.gateway)) &&
      (route.dst.ip.family === 6 || !route.source || equalIP(other.source, route.source))
    );
    if (!victim) return ESRCH;
    this.routes = this.routes.filter((other) => other !== victim);
    return 0;
  }
}

function areRivals(a: RouteEntry, b: RouteEntry): boolean {
  return equalPrefix(a.dst, b.dst) && a.table === b.table && a.tos === b.tos &&
    a.metric === b.metric;
}

function dumpOf(routes: readonly RouteEntry[], request: Message): Uint8Array<ArrayBuffer> {
  const out = new Writer();
  const [af] = new Uint8Array(request.payload.buffer, request.payload.byteOffset);
  const family = af === 2 ? 4 : 6;
  for (const route of routes.filter(({ dst }) => dst.ip.family === family)) {
    write(out, request, { ...addRoute(route), type: RTM_NEWROUTE, flags: NLM_F_MULTI });
  }
  write(out, request, done);
  return out.bytes();
}

const done: Request = {
  kind: "",
  describe: () => "",
  type: NLMSG_DONE,
  flags: NLM_F_MULTI,
  write: (out) => void out.reserve(4),
};

/** Errors always; an acknowledgement whether asked for or not. */
function answerTo(request: Message, errno: number): Uint8Array<ArrayBuffer> {
  const out = new Writer();
  write(out, request, {
    ...done,
    type: NLMSG_ERROR,
    flags: 0,
    write: (out) => {
      const at = out.reserve(4 + 16);
      out.view.setInt32(at, -errno, true);
    },
  });
  return out.bytes();
}

function write(out: Writer, request: Message, answer: Request): void {
  writeMessage(out, answer, { sequence: request.sequence, flags: 0 });
}
