/** The tunnel device for packets between nodes of one location: ours, Flannel's or Cilium's. */

import type { IP } from "../net/ip.ts";
import { equalPrefix, type Prefix } from "../net/prefix.ts";
import { ROUTE_PROTOCOL } from "../net/route.ts";
import type { Encapsulator } from "../mesh/encapsulation.ts";
import type { Address } from "../netlink/address.ts";
import { NetlinkError } from "../netlink/error.ts";
import type { Link } from "../netlink/link.ts";
import { diffAddresses } from "./addresses.ts";
import type { Failures } from "./failures.ts";
import type { Host } from "./host.ts";
import { type Warning, warning } from "../net/warning.ts";

/** Our own device; also the name of the one that comes with the kernel's module. */
const IPIP_DEVICE = "tunl0";
const FLANNEL_DEVICE = "flannel.1";
const CILIUM_DEVICE = "cilium_tunl";
const CILIUM_HOST = "cilium_host";
/** Names of all devices that matter here, ours or not. */
export const TUNNEL_DEVICES = [IPIP_DEVICE, FLANNEL_DEVICE, CILIUM_DEVICE, CILIUM_HOST] as const;
/** Bytes that IPIP adds to a packet: an IPv4 header. */
const IPIP_OVERHEAD = 20;

/**
 * - `ready`: packets can go through `link`;
 * - `absent`: the other network has not made it yet;
 * - `unsupported`: this kernel cannot make it, or refuses to.
 */
export type TunnelState =
  | { readonly state: "ready"; readonly link: Link }
  | { readonly state: "absent" }
  | { readonly state: "unsupported"; readonly cause: NetlinkError };

/** One for the life of the process. All but Flannel's device is set up, addressed and cleaned up. */
export class Tunnel {
  readonly #host: Host;
  readonly #encapsulator: Encapsulator;
  #unsupported: TunnelState | undefined;
  /** Index of the device whose MTU was set, which is done once. */
  #sized: number | undefined;
  /** The address set last: kernels before 5.18 do not store who set one. */
  #address: Prefix | undefined;

  constructor(host: Host, encapsulator: Encapsulator) {
    this.#host = host;
    this.#encapsulator = encapsulator;
  }

  /** Try again what this kernel did not support. */
  invalidate(): void {
    this.#unsupported = undefined;
  }

  /**
   * Finds the device, or makes it, and sets it up. `below` is the private interface. One that is
   * there serves as it is if the kernel does not let us change it, which is a failure.
   */
  ensure(below: Pick<Link, "mtu">, failures: Failures): TunnelState {
    const link = this.find();
    if (this.#encapsulator === "flannel") return link ? { state: "ready", link } : ABSENT;
    if (link?.name !== CILIUM_DEVICE) return this.#ensureIPIP(link, below, failures);
    failures.contain("tunnel", () => this.#host.changeLink(link, { up: true }), false);
    return { state: "ready", link };
  }

  /** The device as it is. */
  find(): Link | undefined {
    switch (this.#encapsulator) {
      case "flannel":
        return this.#host.link(FLANNEL_DEVICE);
      case "cilium":
        return this.#host.link(CILIUM_DEVICE) ?? this.#host.link(IPIP_DEVICE);
      case "ipip":
        return this.#host.link(IPIP_DEVICE);
    }
  }

  /** Makes this the device's only address; one that others own keeps theirs. Not with Flannel. */
  setAddress({ index, name }: Link, prefix: Prefix): void {
    const addresses = this.#host.addressesOf({ index });
    const changeable = name === CILIUM_DEVICE
      ? addresses.filter((address) => this.#isOurs(address) || equalPrefix(address.prefix, prefix))
      : addresses;
    const changes = diffAddresses({ index, prefix }, changeable);
    this.#host.changeAddresses(changes);
    if (changes.some(({ verb }) => verb === "add")) this.#address = prefix;
  }

  /** Removes our addresses, and the device if it is ours. The one of the kernel's module stays, down. */
  cleanUp(): void {
    const link = this.find();
    if (!link || this.#encapsulator === "flannel") return;
    const isIPIP = link.name === IPIP_DEVICE;
    const addresses = this.#host.addressesOf(link)
      .filter((address) => isIPIP || this.#isOurs(address));
    this.#host.changeAddresses(addresses.map((address) => ({ verb: "remove", address })));
    if (!isIPIP) return;
    this.#host.changeLink(link, { up: false });
    this.#host.deleteLink(link);
  }

  #ensureIPIP(
    there: Link | undefined,
    below: Pick<Link, "mtu">,
    failures: Failures,
  ): TunnelState {
    if (!there && this.#unsupported) return this.#unsupported;
    try {
      if (!there) this.#host.createLink({ name: IPIP_DEVICE, kind: "ipip" });
    } catch (cause) {
      if (!(cause instanceof NetlinkError)) throw cause;
      return this.#unsupported = { state: "unsupported", cause };
    }
    const link = this.#host.link(IPIP_DEVICE);
    if (!link) return ABSENT;
    const size = this.#sized === link.index ? {} : { mtu: below.mtu - IPIP_OVERHEAD };
    failures.contain("tunnel", () => {
      this.#host.changeLink(link, { up: true, ...size });
      this.#sized = link.index;
    }, undefined);
    return { state: "ready", link };
  }

  #isOurs({ protocol, prefix }: Address): boolean {
    return protocol === ROUTE_PROTOCOL || equalPrefix(prefix, this.#address);
  }
}

const ABSENT: TunnelState = { state: "absent" };

/** Packets go unencapsulated where the kernel makes no tunnel: other nodes may drop them. */
export function tunnelWarnings(tunnel: TunnelState | undefined): readonly Warning[] {
  if (tunnel?.state !== "unsupported") return [];
  const text =
    `this kernel makes no IPIP tunnel (${tunnel.cause.message}): packets to nodes of this ` +
    "location go unencapsulated; load its module ipip, or set --encapsulate=never on all nodes";
  return [warning("encapsulation", IPIP_DEVICE, text)];
}

/** The address that other nodes reach this one at through Cilium's tunnel, to be advertised. */
export function cniCompatibilityIP(host: Host): IP | undefined {
  const link = host.link(CILIUM_HOST);
  const address = link && host.addressesOf(link).find(({ prefix }) => prefix.ip.family === 4);
  return address?.prefix.ip;
}
