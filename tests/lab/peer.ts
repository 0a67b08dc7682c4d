/** An outside peer: a machine with a WireGuard interface that people set up themselves. */

import { formatConf } from "../../src/net/conf.ts";
import type { DeviceConfig } from "../../src/net/device.ts";
import type { Key } from "../../src/net/key.ts";
import { formatPrefix, network } from "../../src/net/prefix.ts";
import { generatePrivateKey, publicKeyOf } from "../../src/wireguard/key.ts";
import type { Namespace } from "./namespace.ts";
import { addWireGuard } from "./wireguard.ts";
import type { PeerSpec } from "./world.ts";

const DEVICE = "wg0";

export class LabPeer {
  readonly #privateKey: Key = generatePrivateKey();
  #started = false;

  constructor(readonly spec: PeerSpec, readonly namespace: Namespace) {}

  get name(): string {
    return this.spec.name;
  }

  async publicKey(): Promise<Key> {
    return await publicKeyOf(this.#privateKey);
  }

  /** Sets its interface to this configuration, and the routes to what it allows. */
  async configure({ peers }: DeviceConfig): Promise<void> {
    if (!this.#started) await this.#start();
    const privateKey = this.#privateKey;
    await this.namespace.exec(
      ["wg", "syncconf", DEVICE, "/dev/stdin"],
      formatConf({ privateKey, listenPort: 51820, peers }),
    );
    const routes = peers.flatMap((peer) => peer.allowedIPs)
      .map((prefix) => `route replace ${formatPrefix(network(prefix))} dev ${DEVICE}\n`);
    await this.namespace.exec(["ip", "-batch", "-"], routes.join(""));
  }

  async #start(): Promise<void> {
    this.#started = true;
    await addWireGuard(this.namespace, DEVICE);
    const addresses = this.spec.allowedIPs.map((ip) => `addr add ${ip} dev ${DEVICE}\n`);
    const batch = `${addresses.join("")}link set ${DEVICE} mtu 1420 up\n`;
    await this.namespace.exec(["ip", "-batch", "-"], batch);
  }
}
