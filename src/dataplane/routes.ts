/** Our routes in the kernel: observe, diff and apply. */

import { equalIP, type IP, width } from "../net/ip.ts";
import { equalPrefix, hostPrefix, type Prefix, prefixKey } from "../net/prefix.ts";
import { KILO_TABLE, ROUTE_PROTOCOL } from "../net/route.ts";
import type { Connection } from "../netlink/connection.ts";
import { type Message, NLM_F_REPLACE, type Request } from "../netlink/message.ts";
import {
  deleteRoute,
  dumpRoutes,
  listRoutes,
  parseRoute,
  prependRoute,
  readRoutes,
  replaceRoute,
  type RouteEntry,
  type RouteFilter,
  RTM_NEWROUTE,
  RTN_UNICAST,
} from "../netlink/route.ts";
import { Snapshot } from "../netlink/snapshot.ts";
import { Applier, type EntryChange, type Result } from "./applier.ts";
import { isSetUp } from "./host.ts";
import { type Devices, METRIC, routeIdentity } from "./resolve.ts";

/** `rtm_protocol` of the original agent's routes, and of many others'. */
const RTPROT_STATIC = 4;
const FAMILIES = [4, 6] as const;

/** Desired routes, and what the kernel answers when it has just those. */
interface InSync {
  readonly desired: readonly RouteEntry[];
  readonly answer: Snapshot;
}

/** Keeps our routes in the kernel as desired. Those of others are neither changed nor removed. */
export class RouteApplier {
  readonly #connection: Connection;
  readonly #applier: Applier<RouteEntry>;
  #tookOver = false;
  #inSync: InSync | undefined;
  /** Of the routes that are known, made when they are asked for. */
  #identities:
    | { readonly of: readonly RouteEntry[]; readonly all: ReadonlySet<string> }
    | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#applier = new Applier({
      diff: diffRoutes,
      identity: routeIdentity,
      equal: equalRoute,
      execute: (changes) => connection.execute(changes.map(request)),
    });
  }

  /** Of all that are ours. */
  destinations(): readonly Prefix[] {
    return this.#list(ROUTE_PROTOCOL).map(({ dst }) => dst);
  }

  /** The kernel's routes may have changed. */
  invalidate(): void {
    this.#applier.invalidate();
  }

  /** May this route have taken the place of one of ours? */
  isRival(route: RouteEntry): boolean {
    if (route.metric !== METRIC[route.dst.ip.family]) return false;
    const { known } = this.#applier;
    if (!known) return true;
    if (this.#identities?.of !== known) {
      this.#identities = { of: known, all: new Set(known.map(routeIdentity)) };
    }
    return this.#identities.all.has(routeIdentity(route));
  }

  /**
   * The first time, what the original agent left is adopted where it is desired, else removed. Routes
   * of ours through the device of index `held` stay as they are, and none is added there.
   */
  apply(
    desired: readonly RouteEntry[],
    devices: Devices,
    { held }: { readonly held?: number | undefined } = {},
  ): Result {
    const target = held === undefined ? desired : this.#hold(desired, held);
    let answer: readonly Message[] | undefined;
    const result = this.#applier.apply(target, () => {
      const dumps = this.#dump(ROUTE_PROTOCOL);
      const messages = dumps.flatMap((dump) => dump.messages);
      // To read thousands of routes takes much longer than to see that they are the same.
      if (this.#inSync?.answer.equals(messages)) return this.#inSync.desired;
      answer = messages;
      const ours = dumps.flatMap(read);
      return this.#tookOver ? ours : ours.concat(this.#leftBehind(target, devices));
    });
    this.#tookOver ||= this.#applier.hasRemoved;
    const isDone = result.changed === 0 && result.refused === 0;
    if (answer && isDone) this.#inSync = { desired: target, answer: new Snapshot(answer) };
    return result;
  }

  #hold(desired: readonly RouteEntry[], device: number): readonly RouteEntry[] {
    const others = desired.filter(({ oif }) => oif !== device);
    const identities = new Set(others.map(routeIdentity));
    const ours = this.#applier.known ?? this.#list(ROUTE_PROTOCOL);
    const held = ours.filter((route) =>
      route.oif === device && !identities.has(routeIdentity(route))
    );
    return [...others, ...new Map(held.map((route) => [routeIdentity(route), route])).values()];
  }

  /** Adds those of these routes that are missing, before anything else changes. */
  addAhead(routes: readonly RouteEntry[]): void {
    if (routes.length === 0) return;
    const ours = this.#applier.known ?? this.#list(ROUTE_PROTOCOL);
    const there = new Map(ours.map((route) => [routeIdentity(route), route]));
    const missing = routes.filter((route) => {
      const old = there.get(routeIdentity(route));
      return !old || !equalRoute(route, old);
    });
    if (missing.length === 0) return;
    this.#applier.invalidate();
    this.#connection.execute(missing.map(replaceRoute)); // a refused route is tried again, and reported, later
  }

  /** Removes those of ours that lead to just one of these addresses, unless they stay. */
  removeRoutesTo(
    addresses: readonly IP[],
    { staying }: { readonly staying: readonly { readonly dst: Prefix }[] },
  ): void {
    if (addresses.length === 0) return;
    const ours = this.#applier.known ?? this.#list(ROUTE_PROTOCOL);
    const hosts = new Set(addresses.map((ip) => prefixKey(hostPrefix(ip))));
    const stay = new Set(staying.map(({ dst }) => prefixKey(dst)));
    const found = ours.filter(({ dst }) => {
      const key = prefixKey(dst);
      return hosts.has(key) && !stay.has(key);
    });
    if (found.length === 0) return;
    this.#applier.invalidate();
    this.#connection.execute(found.map(deleteRoute));
  }

  /** Removes all of ours; what the original agent left, too, if nothing was applied before. */
  remove(devices: Devices): Result {
    this.#applier.invalidate();
    return this.apply([], devices);
  }

  #leftBehind(desired: readonly RouteEntry[], devices: Devices): RouteEntry[] {
    const { kilo, tunnel, private: own } = devices;
    // Others' static routes may be many, so only those are asked for that can be the original's.
    const [inTable, ...onDevices] = [
      { table: KILO_TABLE },
      ...kilo === undefined ? [] : [{ oif: kilo }],
      ...tunnel === undefined ? [] : [{ oif: tunnel, onlink: true }],
      ...own === undefined || desired.length === 0 ? [] : [{ oif: own, onlink: true }],
    ].map((where) =>
      FAMILIES.flatMap((family) =>
        listRoutes(this.#connection, { family, protocol: RTPROT_STATIC, ...where })
      )
    );
    const elsewhere = onDevices.flat().filter(({ table }) => table !== KILO_TABLE);
    return [...inTable!, ...elsewhere].filter(isOriginals(desired, devices));
  }

  #list(protocol: number): RouteEntry[] {
    return this.#dump(protocol).flatMap(read);
  }

  #dump(protocol: number): readonly Dump[] {
    return FAMILIES.map((family) => {
      const filter = { family, protocol };
      return { filter, messages: dumpRoutes(this.#connection, filter) };
    });
  }
}

/** What the kernel answered to whom asked for this. */
interface Dump {
  readonly filter: RouteFilter;
  readonly messages: readonly Message[];
}

function read({ filter, messages }: Dump): RouteEntry[] {
  return readRoutes(messages, filter);
}

/** Does it lead to a network of neighbours, and not just to one host or everywhere? */
export function isOnLink({ dst: { ip, bits }, gateway, type, multipath }: RouteEntry): boolean {
  return gateway === undefined && !multipath && type === RTN_UNICAST && bits > 0 &&
    bits < width(ip.family);
}

/**
 * May this event have changed a route of ours, a default route, or what is on link? Others' routes
 * come and go all day, a routing daemon's by the thousand; only one that takes the place of one of
 * ours affects us.
 */
export function affectsRoutes(
  event: Message,
  isRival: (route: RouteEntry) => boolean = () => true,
): boolean {
  const route = parseRoute(event);
  if (!route) return false;
  if (route.protocol === ROUTE_PROTOCOL || route.dst.bits === 0) return true;
  if (isOnLink(route) && isSetUp(route)) return true;
  return event.type === RTM_NEWROUTE && (event.flags & NLM_F_REPLACE) !== 0 && isRival(route);
}

/**
 * Which static routes are the original agent's: through the Kilo interface, in its table, or onlink
 * through the tunnel. On the private interface they look like anybody's, so only those in the place
 * of desired ones count.
 */
export function isOriginals(
  desired: readonly RouteEntry[],
  devices: Devices,
): (route: RouteEntry) => boolean {
  const place = ({ dst, table }: RouteEntry) => `${dst.ip.family} ${prefixKey(dst)} ${table}`;
  const places = new Set(desired.map(place));
  return (route) => {
    const { oif, table, onlink } = route;
    if (table === KILO_TABLE) return true;
    if (oif === undefined) return false;
    return oif === devices.kilo || onlink && oif === devices.tunnel ||
      onlink && oif === devices.private && places.has(place(route));
  };
}

/**
 * A new IPv4 route is put in front of others' with the same identity (`NLM_F_CREATE` alone), which
 * stay; a replacing one takes the place of the first, which is ours then. IPv6 metrics are ours
 * alone, so replacing is right for both.
 */
function request(change: EntryChange<RouteEntry>): Request {
  const { verb, entry } = change;
  if (verb === "remove") return deleteRoute(entry);
  if (verb === "replace" || entry.dst.ip.family === 6) return replaceRoute(entry);
  return prependRoute(entry);
}

/**
 * What turns `observed` (ours, and what we take over) into `desired`.
 *
 * A route that changes is replaced in one step. Where the kernel has several of ours with one
 * identity, which we never make, one request could hit another than the one it means: they go, the
 * most particular first, before the right one comes.
 */
export function diffRoutes(
  desired: readonly RouteEntry[],
  observed: readonly RouteEntry[],
): EntryChange<RouteEntry>[] {
  if (observed.length === 0) return desired.map((entry) => ({ verb: "add", entry }));
  const there = Map.groupBy(observed, routeIdentity);
  const changes: EntryChange<RouteEntry>[] = [];
  const removals: EntryChange<RouteEntry>[] = [];
  for (const entry of desired) {
    const identity = routeIdentity(entry);
    const [old, ...more] = there.get(identity) ?? [];
    there.delete(identity);
    if (old === undefined) {
      changes.push({ verb: "add", entry });
    } else if (more.length > 0) {
      changes.push(...removeAll([old, ...more]), { verb: "add", entry });
    } else if (!equalRoute(entry, old)) {
      changes.push({ verb: "replace", entry, old });
      if (staysBeside(old, entry)) removals.push({ verb: "remove", entry: old });
    }
  }
  for (const stale of there.values()) removals.push(...removeAll(stale));
  return [...changes, ...removals];
}

/** Older kernels do not replace an IPv6 route through a gateway by one without. */
function staysBeside(old: RouteEntry, entry: RouteEntry): boolean {
  return entry.dst.ip.family === 6 && old.gateway !== undefined && entry.gateway === undefined;
}

/** A removal without preferred source or gateway also fits routes that have one. */
function removeAll(entries: readonly RouteEntry[]): EntryChange<RouteEntry>[] {
  return entries.toSorted((a, b) => particulars(b) - particulars(a))
    .map((entry) => ({ verb: "remove", entry }));
}

function particulars({ source, gateway }: RouteEntry): number {
  return Number(source !== undefined) + Number(gateway !== undefined);
}

export function equalRoute(a: RouteEntry, b: RouteEntry): boolean {
  return a === b ||
    a.oif === b.oif && a.table === b.table && equalPrefix(a.dst, b.dst) &&
      equalIP(a.gateway, b.gateway) && equalIP(a.source, b.source) && a.onlink === b.onlink &&
      a.metric === b.metric && a.tos === b.tos && a.protocol === b.protocol &&
      a.type === b.type && a.scope === b.scope && a.multipath === b.multipath;
}
