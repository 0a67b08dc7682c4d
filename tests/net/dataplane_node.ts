import type { Devices } from "../../src/dataplane/resolve.ts";
import { type IP, parseIP } from "../../src/net/ip.ts";
import { parsePrefix } from "../../src/net/prefix.ts";
import type { DeviceRole, Route } from "../../src/net/route.ts";
import { Connection } from "../../src/netlink/connection.ts";
import { openLibraries } from "../../src/netlink/libmnl.ts";
import { listLinks } from "../../src/netlink/link.ts";
import { NETLINK_ROUTE, Socket } from "../../src/netlink/socket.ts";
import type { Transport } from "../../src/netlink/transport.ts";
import { NetworkNamespace } from "./namespace.ts";

// They stay open, which a test that opened them would be blamed for.
openLibraries();

/**
 * A namespace with stand-ins for the devices, kilo0 (10.4.0.1/16) and eth0 (10.0.0.1/24, fd00::1/64),
 * and the main default route on eth0.
 */
export class Node implements Disposable {
  readonly namespace: NetworkNamespace;
  readonly connection: Connection;
  readonly devices: Devices;
  /** How often something was sent, be it to read or to write. */
  sends = 0;
  readonly #stack = new DisposableStack();

  constructor() {
    this.namespace = this.#stack.use(NetworkNamespace.enter("dp"));
    this.ip("link add kilo0 type veth peer name kilo1");
    this.ip("link add eth0 type veth peer name eth1");
    for (const name of ["kilo0", "kilo1", "eth0", "eth1"]) this.ip(`link set ${name} up`);
    this.ip("addr add 10.0.0.1/24 dev eth0");
    this.ip("addr add fd00::1/64 dev eth0 nodad");
    this.ip("addr add 10.4.0.1/16 dev kilo0");
    this.ip("route add default via 10.0.0.254");
    this.connection = this.#stack.use(new Connection(this.#counted(Socket.open(NETLINK_ROUTE))));
    this.devices = { kilo: this.index("kilo0"), private: this.index("eth0") };
  }

  ip(command: string): string {
    return this.namespace.run(`ip ${command}`.trim());
  }

  index(name: string): number {
    return listLinks(this.connection).find((link) => link.name === name)!.index;
  }

  /** What `ip -d route` prints of all tables' routes for a selector (`proto 107`), a line each. */
  routes(selector: string): string[] {
    return ["-4", "-6"].flatMap((family) =>
      this.ip(`-d ${family} route show table all ${selector}`).split("\n")
        .map((line) => line.trim().replace(/ pref \w+| scope \w+| table main|^unicast /g, ""))
        .map((line) => line.replace(/ +/g, " "))
        .filter((line) => line !== "")
    ).sort();
  }

  /** What `ip -d rule` prints of all rules but the kernel's own. */
  rules(): string[] {
    return ["-4", "-6"].flatMap((family) => this.ip(`-d ${family} rule show`).split("\n"))
      .filter((line) => line !== "" && !line.includes("proto kernel"))
      .map((line) => line.replace("\t", " "));
  }

  /** Addresses of a device with their lengths, link-local ones apart. */
  addresses(name: string): string[] {
    const [link] = JSON.parse(this.ip(`-j addr show dev ${name}`));
    return link.addr_info.filter(({ scope }: { scope: string }) => scope === "global")
      .map(({ local, prefixlen }: { local: string; prefixlen: number }) => `${local}/${prefixlen}`);
  }

  /** A socket that has joined a group of events. */
  listen(group: number): Socket {
    const socket = this.#stack.use(Socket.open(NETLINK_ROUTE));
    socket.join(group);
    return socket;
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
  }

  #counted(socket: Socket): Transport {
    return {
      portId: socket.portId,
      send: (bytes) => {
        this.sends++;
        socket.send(bytes);
      },
      receive: () => socket.receive(),
      [Symbol.dispose]: () => socket[Symbol.dispose](),
    };
  }
}

export type Via = {
  readonly gateway?: string;
  readonly source?: string;
  readonly device?: DeviceRole;
  readonly table?: number;
};

/** A desired route, through the Kilo interface if nothing else is said. */
export function route(dst: string, { gateway, source, device = "kilo", table }: Via = {}): Route {
  return {
    dst: parsePrefix(dst)!,
    device,
    onlink: gateway !== undefined,
    ...gateway !== undefined && { gateway: address(gateway) },
    ...source !== undefined && { source: address(source) },
    ...table !== undefined && { table },
  };
}

function address(text: string): IP {
  return parseIP(text)!;
}
