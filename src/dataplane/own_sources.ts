/** The addresses that encrypted packets may be sent from, and whether one of them has gone. */

import { formatIP } from "../net/ip.ts";
import { contains, parsePrefix } from "../net/prefix.ts";
import type { Address } from "../netlink/address.ts";
import type { Host } from "./host.ts";
import { TUNNEL_DEVICES } from "./tunnel.ts";

/** Devices whose addresses no other machine sends to. */
const INNER: readonly string[] = ["kube-bridge", "lo", ...TUNNEL_DEVICES];
const LINK_LOCAL = parsePrefix("fe80::/10")!;

export class OwnSources {
  #known: ReadonlySet<string> = new Set();

  /** Remembers those that the host has; has it lost one since the last time? */
  hasLost(host: Host, { interfaceName }: { readonly interfaceName: string }): boolean {
    const inner = new Set(
      host.links.filter(({ name }) => name === interfaceName || INNER.includes(name))
        .map(({ index }) => index),
    );
    const isSource = ({ index, prefix }: Address) =>
      !inner.has(index) && !contains(LINK_LOCAL, prefix.ip);
    const before = this.#known;
    const now = host.addresses.filter(isSource).map(({ prefix: { ip } }) => formatIP(ip));
    this.#known = new Set(now);
    return [...before].some((ip) => !this.#known.has(ip));
  }
}
