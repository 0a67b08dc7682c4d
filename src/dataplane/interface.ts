/** The WireGuard interface as a network device: its existence, MTU, address and state. */

import type { Prefix } from "../net/prefix.ts";
import type { Link } from "../netlink/link.ts";
import { diffAddresses } from "./addresses.ts";
import type { Failures } from "./failures.ts";
import type { Host } from "./host.ts";
import { type Warning, warning } from "../net/warning.ts";

/** Bytes that WireGuard adds to a packet: an IPv6 header 40, UDP 8, its own 32. */
const OVERHEAD = 80;
/** Bytes; where no underlay is known. */
const DEFAULT_MTU = 1420;
/** Bytes; IPv6 needs 1280 inside (RFC 8200 §5). */
const SMALLEST_UNDERLAY = 1280 + OVERHEAD;

export interface InterfaceSettings {
  readonly name: string;
  readonly ifMissing: "create" | "wait";
  /** Bytes. */
  readonly mtu: number | "auto";
}

/**
 * Returns the interface with its MTU set. Undefined: it is missing and another program makes it, or it
 * cannot be made. If the kernel refuses the MTU, the interface is used as it is.
 */
export function ensureInterface(
  host: Host,
  settings: InterfaceSettings,
  failures: Failures,
): Link | undefined {
  const { name, ifMissing } = settings;
  if (!host.link(name) && ifMissing === "create") {
    failures.contain("interface", () => host.createLink({ name, kind: "wireguard" }), undefined);
  }
  const link = host.link(name);
  if (!link) return undefined;
  const setMTU = () => host.changeLink(link, { mtu: mtuOf(host, settings) });
  failures.contain("interface", setMTU, false);
  return host.link(name);
}

/** Bytes: what is asked for, or what fits into the packets of the default route's device. */
export function mtuOf(host: Host, { name, mtu }: Pick<InterfaceSettings, "name" | "mtu">): number {
  if (mtu !== "auto") return mtu;
  const { underlay } = host;
  return underlay && underlay.name !== name ? underlay.mtu - OVERHEAD : DEFAULT_MTU;
}

/** What keeps the interface from serving as it should: it is missing, or its underlay is too narrow. */
export function interfaceWarnings(host: Host, { name }: InterfaceSettings): readonly Warning[] {
  const warnings: Warning[] = [];
  const subject = `interface ${name}`;
  if (!host.link(name)) {
    warnings.push(warning("device", subject, `${subject} is missing: tunnels wait for it`));
  }
  const { underlay } = host;
  if (underlay && underlay.mtu < SMALLEST_UNDERLAY) {
    const text = `the MTU of ${underlay.name} is ${underlay.mtu}: ` +
      `WireGuard needs ${SMALLEST_UNDERLAY} to carry IPv6`;
    warnings.push(warning("device", `interface ${underlay.name}`, text));
  }
  return warnings;
}

/** Makes this the interface's only address; returns whether anything changed. */
export function setAddress(host: Host, link: Link, prefix: Prefix): boolean {
  return host.changeAddresses(diffAddresses({ index: link.index, prefix }, host.addressesOf(link)));
}
