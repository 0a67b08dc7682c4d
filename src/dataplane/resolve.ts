/** From the mesh's desired state, which names devices by their role, to entries the kernel can take. */

import type { Desired } from "../mesh/desired.ts";
import type { Family } from "../net/ip.ts";
import { formatPrefix, network, type Prefix, prefixKey } from "../net/prefix.ts";
import { type DeviceRole, type Route, ROUTE_PROTOCOL, type Rule } from "../net/route.ts";
import { type RouteEntry, routeEntry } from "../netlink/route.ts";
import { RT_TABLE_MAIN } from "../netlink/rtnetlink.ts";
import type { RuleEntry } from "../netlink/rule.ts";
import { type Warning, warning } from "../net/warning.ts";

/** The interface index of each role, where such a device is there. */
export type Devices = { readonly [role in DeviceRole]?: number | undefined };

function equalDevices(a: Devices, b: Devices): boolean {
  return a.kilo === b.kilo && a.private === b.private && a.tunnel === b.tunnel;
}

export interface Resolved<Entry> {
  readonly entries: readonly Entry[];
  /** One for each distinct reason why something was left out, with the first it happened to. */
  readonly warnings: readonly Warning[];
}

/** Routes and rules of a desired state on certain devices, as entries. */
export interface Resolution {
  readonly desired: Pick<Desired, "routes" | "rules">;
  readonly devices: Devices;
  readonly routes: Resolved<RouteEntry>;
  readonly rules: Resolved<RuleEntry>;
}

/** Returns the same entries as before for the same desired state on the same devices. */
export class ResolutionCache {
  readonly #interfaceName: string;
  #last: Resolution | undefined;

  constructor(interfaceName: string) {
    this.#interfaceName = interfaceName;
  }

  of(desired: Resolution["desired"], devices: Devices): Resolution {
    const last = this.#last;
    if (last && last.desired === desired && equalDevices(last.devices, devices)) return last;
    return this.#last = {
      desired,
      devices,
      routes: resolveRoutes(desired.routes, devices),
      rules: resolveRules(desired.rules, { interfaceName: this.#interfaceName }),
    };
  }
}

/**
 * Metric of our routes. IPv4: the kernel's default; a second route to the same destination can stand
 * in front of another's. IPv6 would join both into one multipath route, or replace the other's: ours
 * has a metric to itself there, just ahead of the default 1024 of everybody's static routes.
 */
export const METRIC: Readonly<Record<Family, number>> = { 4: 0, 6: 1023 };

/**
 * Where our policy rules stand: behind other people's, before the main table (32766), and apart from
 * the numbers the kernel itself gives (32765, 32764, …), which the original agent's rules have.
 */
export const RULE_PRIORITY = 32000;

/** What makes two routes rivals for one place in the kernel. */
export function routeIdentity({ dst, table, tos, metric }: RouteEntry): string {
  return `${dst.ip.family} ${prefixKey(dst)} ${table} ${tos} ${metric}`;
}

/**
 * Masks destinations, leaves out a preferred source of the other family, and skips what the kernel
 * cannot carry. Of two routes with one identity the later counts.
 */
export function resolveRoutes(
  routes: readonly Route[],
  devices: Devices,
): Resolved<RouteEntry> {
  const entries = new Map<string, RouteEntry>();
  const skipped = new Map<string, string>();
  for (const route of routes) {
    const problem = obstacle(route, devices);
    if (problem !== undefined) {
      if (!skipped.has(problem)) skipped.set(problem, formatPrefix(route.dst));
      continue;
    }
    const entry = resolveRoute(route, devices);
    entries.set(routeIdentity(entry), entry);
  }
  return { entries: [...entries.values()], warnings: leftOut("routes", skipped) };
}

/** Why the route cannot be given to the kernel at all. */
function obstacle({ dst, gateway, device, oif }: Route, devices: Devices): string | undefined {
  if (oif !== undefined) return undefined;
  if (device === undefined) return "there is no private address, so no device to send from";
  if (devices[device] === undefined) return `there is no ${DEVICE_NAMES[device]}`;
  if (device === "tunnel" && (dst.ip.family === 6 || gateway?.family === 6)) {
    return "the tunnel carries IPv4 only";
  }
  if (dst.ip.family === 6 && gateway?.family === 4) {
    return "IPv6 cannot go through an IPv4 gateway";
  }
  return undefined;
}

const DEVICE_NAMES: Readonly<Record<DeviceRole, string>> = {
  kilo: "Kilo interface",
  private: "interface that holds the private address",
  tunnel: "tunnel device",
};

function resolveRoute(route: Route, devices: Devices): RouteEntry {
  const { dst, table = RT_TABLE_MAIN, gateway, device, source } = route;
  const { family } = dst.ip;
  return routeEntry({
    dst,
    table,
    metric: METRIC[family],
    protocol: ROUTE_PROTOCOL,
    gateway,
    oif: route.oif ?? (device && devices[device]),
    source: source?.family === family ? source : undefined,
    onlink: route.onlink && gateway !== undefined,
  });
}

/** What makes two rules the same: all there is to them. */
export function ruleIdentity(
  { family, priority, src, dst, iif, table, protocol }: RuleEntry,
): string {
  const text = (prefix: Prefix | undefined) => prefix && `${prefix.ip.value}/${prefix.bits}`;
  return [family, priority, text(src), text(dst), iif, table, protocol].join(" ");
}

/** Masks both ends, and skips rules between two address families; equal rules are one. */
export function resolveRules(
  rules: readonly Rule[],
  { interfaceName }: { readonly interfaceName: string },
): Resolved<RuleEntry> {
  const entries = new Map<string, RuleEntry>();
  const skipped = new Map<string, string>();
  for (const rule of rules) {
    const { src, dst, iif, table } = rule;
    if (src && src.ip.family !== dst.ip.family) {
      const problem = "no rule has two address families";
      if (!skipped.has(problem)) skipped.set(problem, formatPrefix(dst));
      continue;
    }
    const entry: RuleEntry = {
      family: dst.ip.family,
      priority: RULE_PRIORITY,
      src: src && network(src),
      dst: network(dst),
      iif: iif && interfaceName,
      table,
      protocol: ROUTE_PROTOCOL,
    };
    entries.set(ruleIdentity(entry), entry);
  }
  return { entries: [...entries.values()], warnings: leftOut("rules", skipped) };
}

/** Takes problems and the first destination of each. */
function leftOut(what: string, skipped: ReadonlyMap<string, string>): Warning[] {
  return [...skipped].map(([problem, first]) =>
    warning("route", what, `${what} left out, to ${first} first: ${problem}`)
  );
}
