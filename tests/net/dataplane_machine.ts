/** A node's dataplane over real netlink, with a WireGuard device in memory. */

import { Dataplane, type DataplaneSettings } from "../../src/dataplane/dataplane.ts";
import { Device } from "../../src/dataplane/wireguard/device.ts";
import { FirewallApplier } from "../../src/dataplane/firewall/applier.ts";
import { FlowApplier } from "../../src/dataplane/flow_applier.ts";
import type { Report } from "../../src/dataplane/report.ts";
import type { Desired } from "../../src/mesh/desired.ts";
import type { DeviceState } from "../../src/net/device.ts";
import { parseIP } from "../../src/net/ip.ts";
import { keyFromBytes } from "../../src/net/key.ts";
import { parsePrefix } from "../../src/net/prefix.ts";
import { Connection } from "../../src/netlink/connection.ts";
import { NetlinkError } from "../../src/netlink/error.ts";
import { type Message, readMessages } from "../../src/netlink/message.ts";
import { NETLINK_NETFILTER, NETLINK_ROUTE, Socket } from "../../src/netlink/socket.ts";
import { afterChange } from "../../src/wireguard/change.ts";
import { type WireGuardClient, WireGuardError } from "../../src/wireguard/client.ts";
import { Node, route } from "./dataplane_node.ts";

const SETTINGS: DataplaneSettings = {
  interface: { name: "kilo0", ifMissing: "wait", mtu: "auto" },
};
export const PEER = {
  publicKey: keyFromBytes(new Uint8Array(32).fill(7)),
  persistentKeepalive: 0,
  allowedIPs: [parsePrefix("10.42.1.0/24")!],
};
export const LEADER: Desired = {
  isLeader: true,
  address: parsePrefix("10.4.0.1/16")!,
  device: { listenPort: 51820, peers: [PEER] },
  routes: [route("10.42.1.0/24", { gateway: "10.4.0.2", source: "10.0.0.1" })],
  rules: [{ dst: parsePrefix("10.0.0.5/32")!, iif: "kilo", table: 1107 }],
  firewall: {
    nat: {
      sources: [parsePrefix("10.42.0.0/24")!],
      destinations: [],
      keep: [parsePrefix("10.42.1.0/24")!],
    },
  },
  warnings: [],
};
export const FOLLOWER: Desired = {
  ...LEADER,
  isLeader: false,
  routes: [route("10.42.1.0/24", { gateway: "10.0.0.5", device: "private" })],
  rules: [],
};

/** A node's dataplane with a device that remembers, and a list of what is done to the kernel. */
export class Machine implements Disposable {
  readonly node = new Node();
  readonly done: string[] = [];
  readonly dataplane: Dataplane;
  device: DeviceState = { listenPort: 0, firewallMark: 0, peers: [] };
  sends = 0;
  /** Errno for what is sent to the kernel: the whole send fails. */
  refuses: (messages: readonly Message[], family: number) => number | undefined = () => undefined;
  /** Errno of the WireGuard device for a change. */
  deviceErrno: number | undefined;
  readonly #stack = new DisposableStack();

  constructor(settings: Partial<DataplaneSettings> = {}) {
    this.#stack.use(this.node);
    this.node.ip("link set kilo0 down");
    this.node.ip("addr del 10.4.0.1/16 dev kilo0");
    const netfilter = this.#connect(NETLINK_NETFILTER);
    this.dataplane = new Dataplane({
      connection: this.#connect(NETLINK_ROUTE),
      firewall: new FirewallApplier(netfilter),
      flows: new FlowApplier(netfilter, () => new Connection(Socket.open(NETLINK_NETFILTER))),
      device: new Device([this.#client()]),
      holderOfPort: (port) => Promise.resolve(`program ${port}`),
    }, { ...SETTINGS, ...settings });
  }

  async reconcile(desired: Desired): Promise<Report> {
    this.done.length = 0;
    this.sends = 0;
    const hostDevices = this.dataplane.observeHost({ privateAddress: parseIP("10.0.0.1") });
    return await this.dataplane.apply(desired, { hostDevices, now: Date.now() });
  }

  nft(): string {
    return this.node.namespace.run("nft list ruleset");
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
  }

  #connect(family: number): Connection {
    const socket = Socket.open(family);
    const send = (bytes: Uint8Array<ArrayBuffer>) => {
      this.sends++;
      const errno = this.refuses(readMessages(bytes.slice()), family);
      if (errno !== undefined) throw new NetlinkError({ operation: "send", errno });
      socket.send(bytes);
    };
    const transport = {
      portId: socket.portId,
      send,
      receive: () => socket.receive(),
      [Symbol.dispose]: () => socket[Symbol.dispose](),
    };
    const name = (kind: string) => family === NETLINK_ROUTE ? kind : "firewall";
    const onWrite = (kind: string) => {
      if (this.done.at(-1) !== name(kind)) this.done.push(name(kind));
    };
    return this.#stack.use(new Connection(transport, { onWrite }));
  }

  #client(): WireGuardClient {
    return {
      name: "kilo0",
      kind: "kernel",
      read: () => Promise.resolve(this.device),
      // deno-lint-ignore require-await
      apply: async (change) => {
        this.done.push("device");
        const errno = this.deviceErrno;
        if (errno !== undefined && change.listenPort !== undefined) {
          throw new WireGuardError(`errno ${errno}`, { reason: "refused", errno });
        }
        this.device = afterChange(this.device, change);
        return [];
      },
    };
  }
}
