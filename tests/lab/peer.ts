/** An outside peer: a machine with a WireGuard interface that people set up themselves. */

import { formatConf } from "../../src/net/conf.ts";
import type { DeviceConfig } from "../../src/net/device.ts";
import { formatIP } from "../../src/net/ip.ts";
import type { Key } from "../../src/net/key.ts";
import { equalPrefix, formatPrefix, hostPrefix, network } from "../../src/net/prefix.ts";
import { generatePrivateKey, publicKeyOf } from "../../src/wireguard/key.ts";
import type { Namespace } from "./namespace.ts";
import { addWireGuard } from "./wireguard.ts";
import type { PeerSpec } from "./world.ts";

const DEVICE = "wg0";

export class LabPeer {
  readonly #privateKey: Key = generatePrivateKey();
  /** What was set last; undefined while there is no interface. */
  #configuration: string | undefined;

  constructor(readonly spec: PeerSpec, readonly namespace: Namespace) {}

  get name(): string {
    return this.spec.name;
  }

  async publicKey(): Promise<Key> {
    return await publicKeyOf(this.#privateKey);
  }

  /**
   * Sets its interface to this configuration, and the routes to what it allows. The same one again
   * changes nothing, so that an endpoint that WireGuard has learned stays.
   */
  async configure({ peers }: DeviceConfig): Promise<void> {
    const privateKey = this.#privateKey;
    const configuration = formatConf({ privateKey, listenPort: 51820, peers });
    if (configuration === this.#configuration) return;
    if (this.#configuration === undefined) await this.#start();
    this.#configuration = configuration;
    // A route to where a tunnel ends must not lead into the tunnel, nor one of before.
    const ends = peers.flatMap(({ endpoint }) => endpoint?.ip ? formatIP(endpoint.ip) : []);
    const obsolete = ends.map((ip) => `route del ${ip} dev ${DEVICE}\n`);
    await this.namespace.try(["ip", "-force", "-batch", "-"], obsolete.join(""));
    await this.namespace.exec(["wg", "syncconf", DEVICE, "/dev/stdin"], configuration);
    const routes = peers.flatMap(({ allowedIPs, endpoint }) =>
      allowedIPs.filter((prefix) => !equalPrefix(prefix, endpoint?.ip && hostPrefix(endpoint.ip)))
    ).map((prefix) => `route replace ${formatPrefix(network(prefix))} dev ${DEVICE}\n`);
    await this.namespace.exec(["ip", "-batch", "-"], routes.join(""));
  }

  async #start(): Promise<void> {
    await addWireGuard(this.namespace, DEVICE);
    const addresses = this.spec.allowedIPs.map((ip) => `addr add ${ip} dev ${DEVICE}\n`);
    const batch = `${addresses.join("")}link set ${DEVICE} mtu 1420 up\n`;
    await this.namespace.exec(["ip", "-batch", "-"], batch);
  }
}
