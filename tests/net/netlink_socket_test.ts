/** What only real sockets do: loss, strangers, events. Needs root. */

import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { formatPrefix, parsePrefix } from "../../src/net/prefix.ts";
import { parseAddress } from "../../src/netlink/address.ts";
import { Connection } from "../../src/netlink/connection.ts";
import { NetlinkError } from "../../src/netlink/error.ts";
import { type EventKind, EventMonitor, type KernelEvents } from "../../src/netlink/events.ts";
import { createLink, listLinks, parseLink } from "../../src/netlink/link.ts";
import type { Message } from "../../src/netlink/message.ts";
import { addRoute, deleteRoute, parseRoute, routeEntry } from "../../src/netlink/route.ts";
import { parseRule } from "../../src/netlink/rule.ts";
import { NETLINK_NETFILTER, NETLINK_ROUTE, Socket } from "../../src/netlink/socket.ts";
import { message } from "../unit/netlink/fake_kernel.ts";
import { NetworkNamespace } from "./namespace.ts";

const LIBC = {
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  sendto: { parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"], result: "isize" },
} as const;

const routes = (count: number) =>
  Array.from({ length: count }, (_, at) =>
    routeEntry({
      dst: { ip: { family: 4, value: 0x0b000000n + BigInt(at) * 16n }, bits: 28 },
      oif: 1,
      table: 1107,
    }));

Deno.test("execute() says which outcomes it does not know when the receive buffer overflows", () => {
  using _namespace = NetworkNamespace.enter("nl");
  using libc = disposable(Deno.dlopen("libc.so.6", LIBC));
  const socket = Socket.open(NETLINK_ROUTE);
  const [SOL_SOCKET, SO_RCVBUF] = [1, 8];
  libc.symbols.setsockopt(socket.fd, SOL_SOCKET, SO_RCVBUF, Uint32Array.of(8192), 4);
  using connection = new Connection(socket);
  // Each of them is refused, which is told: more than the buffer can hold.
  const results = connection.execute(routes(500).map(deleteRoute));
  equal(results[0]?.code, "ESRCH");
  equal(results.at(-1)?.isOutcomeUnknown(), true);
  // The socket is as good as before.
  deepEqual(listLinks(connection).map((link) => link.name), ["lo"]);
});

Deno.test("what another process sends to our port id is dropped", () => {
  using _namespace = NetworkNamespace.enter("nl");
  using libc = disposable(Deno.dlopen("libc.so.6", LIBC));
  using ours = Socket.open(NETLINK_ROUTE);
  using stranger = Socket.open(NETLINK_ROUTE);
  const AF_NETLINK = 16;
  const datagram = message({ type: 16, sequence: 1 });
  const to = Uint32Array.of(AF_NETLINK, ours.portId, 0);
  const sent = libc.symbols.sendto(stranger.fd, datagram, BigInt(datagram.length), 0, to, 12);
  equal(Number(sent), datagram.length);
  equal(ours.receive(), undefined);
});

/** What a monitor tells, gathered until the caller has seen enough. */
class Watch implements AsyncDisposable {
  readonly seen: KernelEvents[] = [];
  readonly #monitor: EventMonitor;
  readonly #done: Promise<void>;
  #wake = () => {};

  constructor(monitor: EventMonitor) {
    this.#monitor = monitor;
    this.#done = this.#run();
  }

  messages(kind: EventKind): Message[] {
    return this.seen.flatMap((it) => it.kind === kind ? it.messages : []);
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#wake = resolve);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#monitor[Symbol.dispose]();
    await this.#done;
  }

  async #run(): Promise<void> {
    for await (const events of this.#monitor) {
      this.seen.push(...events);
      this.#wake();
    }
  }
}

Deno.test("events of every kind arrive and can be read", async () => {
  using namespace = NetworkNamespace.enter("nl");
  await using watch = new Watch(
    EventMonitor.open(["link", "address", "route", "rule", "nftables"]),
  );
  namespace.run("ip link add br0 type bridge");
  namespace.run("ip link set br0 up");
  namespace.run("ip address add 10.4.0.1/16 dev br0");
  namespace.run("ip route add 10.5.0.0/16 via 10.4.0.2 proto 107");
  namespace.run("ip rule add from 10.4.0.0/16 lookup 1107 priority 32000");
  namespace.run("nft add table ip kilo");

  await watch.until(() => watch.messages("nftables").length > 0);
  equal(parseLink(watch.messages("link")[0]!)?.name, "br0");
  deepEqual(parseAddress(watch.messages("address")[0]!)?.prefix, parsePrefix("10.4.0.1/16"));
  const added = watch.messages("route").map(parseRoute).find((it) => it?.protocol === 107);
  equal(added && formatPrefix(added.dst), "10.5.0.0/16");
  equal(parseRule(watch.messages("rule")[0]!)?.priority, 32000);
  ok(watch.seen.every(({ overflow }) => !overflow));
});

Deno.test("our own events are left out, others' are not", async () => {
  using namespace = NetworkNamespace.enter("nl");
  using connection = new Connection(Socket.open(NETLINK_ROUTE));
  const own = [{ family: NETLINK_ROUTE, portId: connection.portId }];
  await using watch = new Watch(EventMonitor.open(["route"], { own }));
  deepEqual(connection.execute(routes(10).map(addRoute)).filter(Boolean), []);
  namespace.run("ip route add 10.1.0.0/16 dev lo");
  await watch.until(() => watch.seen.length > 0);
  deepEqual(watch.messages("route").map((it) => formatPrefix(parseRoute(it)!.dst)), [
    "10.1.0.0/16",
  ]);
});

Deno.test("another's socket with the port id of ours in another family is not ours", async () => {
  using namespace = NetworkNamespace.enter("nl");
  using ours = Socket.open(NETLINK_NETFILTER);
  // A process gets its own id as its first port id in each family: both are 1 in two containers.
  using theirs = new Connection(Socket.open(NETLINK_ROUTE, { portId: ours.portId }));
  equal(theirs.portId, ours.portId);
  const own = [{ family: NETLINK_NETFILTER, portId: ours.portId }];
  await using watch = new Watch(EventMonitor.open(["route", "nftables"], { own }));
  deepEqual(theirs.execute(routes(1).map(addRoute)), [undefined]);
  await watch.until(() => watch.messages("route").length > 0);
  equal(watch.messages("route")[0]?.portId, ours.portId);
  namespace.run("nft add table ip other");
  await watch.until(() => watch.messages("nftables").length > 0);
});

Deno.test("a flood is an overflow of its kind alone, and events go on after it", async () => {
  using namespace = NetworkNamespace.enter("nl");
  using connection = new Connection(Socket.open(NETLINK_ROUTE));
  await using watch = new Watch(EventMonitor.open(["link", "route"]));
  // The monitor has no turn meanwhile, since this is synchronous.
  deepEqual(connection.execute(routes(20_000).map(addRoute)).filter(Boolean), []);
  deepEqual(connection.execute([createLink({ name: "br0", kind: "bridge" })]), [undefined]);
  await watch.until(() => watch.seen.some(({ overflow }) => overflow));
  await watch.until(() => watch.messages("link").length > 0);
  deepEqual([...new Set(watch.seen.filter((it) => it.overflow).map((it) => it.kind))], [
    "route",
  ]);

  namespace.run("ip route add 10.1.0.0/16 dev lo proto 99");
  await watch.until(() => watch.messages("route").some((it) => parseRoute(it)?.protocol === 99));
});

Deno.test("a monitor stops at once, waiting or not, and gives everything back", async () => {
  using _namespace = NetworkNamespace.enter("nl");
  const count = () => [...Deno.readDirSync("/proc/self/fd")].length;
  const before = count();

  EventMonitor.open(["link"])[Symbol.dispose]();
  equal(count(), before);

  const monitor = EventMonitor.open(["link", "route"]);
  const waiting = (async () => {
    for await (const _ of monitor);
  })();
  await new Promise((resolve) => setTimeout(resolve, 20)); // poll(2) waits by now
  const start = performance.now();
  monitor[Symbol.dispose]();
  await waiting;
  ok(performance.now() - start < 500);
  equal(count(), before);
  for await (const _ of monitor) throw new Error("it goes on");
});

function disposable<T extends Deno.ForeignLibraryInterface>(
  library: Deno.DynamicLibrary<T>,
): Deno.DynamicLibrary<T> & Disposable {
  return Object.assign(library, { [Symbol.dispose]: () => library.close() });
}

Deno.test("a socket that is closed throws whatever it is used for, and does not end the program", () => {
  using _namespace = NetworkNamespace.enter("nl");
  const socket = Socket.open(NETLINK_ROUTE);
  const connection = new Connection(socket);
  connection[Symbol.dispose]();
  const isClosed = (error: unknown) => error instanceof NetlinkError && error.code === "EBADF";
  throws(() => listLinks(connection), isClosed);
  throws(() => socket.receive(), isClosed);
  throws(() => socket.join(1), isClosed);
});
