/** What the agent writes into its own node's annotations, and what it must remember to do so. */

import { formatAddressPort, formatEndpoint, parseEndpoint } from "../net/endpoint.ts";
import type { IP } from "../net/ip.ts";
import type { Key } from "../net/key.ts";
import { formatPrefix, parsePrefix, type Prefix } from "../net/prefix.ts";
import { formatDiscoveredEndpoints } from "./discovered_endpoints.ts";
import type { DiscoveredEndpoints, Granularity } from "./node.ts";
import { ANNOTATIONS, type Strings } from "./object.ts";
import { forbidsInternalIP } from "./read_node.ts";

/** What this agent knows of its node. */
export interface Own {
  /** The public key. */
  readonly key: Key;
  readonly granularity: Granularity;
  /** The WireGuard port. */
  readonly port: number;
  /** The addresses discovered now. */
  readonly endpointIP: IP;
  readonly internalIP?: Prefix;
  readonly cniCompatibilityIP?: Prefix;
  /** What the last reconcile made; absent before the first, and what is annotated stays. */
  readonly reconciled?: {
    /** Only of a leader. */
    readonly wireGuardIP?: Prefix;
    /** Where packets to the own location really come from, if that is not the internal address. */
    readonly encapsulationIP?: Prefix;
    readonly discoveredEndpoints: DiscoveredEndpoints;
  };
  /** Unix seconds. */
  readonly now: number;
}

/**
 * Annotation texts that this agent put there itself, to be kept in the state directory *before* the
 * patch is sent: they follow what is discovered, while those of others stick. Older ones are kept
 * until the newest has been seen in the object, since nobody knows which of the patches arrived.
 */
export interface Published {
  readonly endpoint: readonly string[];
  readonly internalIP: readonly string[];
}

export const NOTHING_PUBLISHED: Published = { endpoint: [], internalIP: [] };

export interface Publication {
  /** The annotations as they shall be, others' included: read the local node from these. */
  readonly annotations: Strings;
  /** Those that differ from what is there; empty: send nothing. */
  readonly patch: Strings;
  readonly published: Published;
}

/** The patch of a check-in: nothing but `last-seen`. `now`: Unix seconds. */
export function checkIn(now: number): Strings {
  return { [ANNOTATIONS.lastSeen]: String(Math.floor(now)) };
}

/** With `checkIn`, as of the first patch, that has a fresh `last-seen` too. */
export function publish(
  annotations: Strings,
  own: Own,
  options: { readonly published: Published; readonly checkIn: boolean },
): Publication {
  const endpoint = choose({
    forced: canonicalEndpoint(annotations[ANNOTATIONS.forceEndpoint]),
    annotated: annotations[ANNOTATIONS.endpoint],
    canonical: canonicalEndpoint,
    discovered: formatAddressPort(own.endpointIP, own.port),
    published: options.published.endpoint,
  });
  const internalIP = choose({
    forced: forbidsInternalIP(annotations)
      ? ""
      : canonicalPrefix(annotations[ANNOTATIONS.forceInternalIP]),
    annotated: annotations[ANNOTATIONS.internalIP],
    canonical: canonicalPrefix,
    discovered: optionalPrefix(own.internalIP),
    published: options.published.internalIP,
  });
  const desired = {
    [ANNOTATIONS.endpoint]: endpoint.text,
    [ANNOTATIONS.internalIP]: internalIP.text,
    [ANNOTATIONS.key]: own.key,
    [ANNOTATIONS.granularity]: own.granularity,
    [ANNOTATIONS.cniCompatibilityIP]: optionalPrefix(own.cniCompatibilityIP),
    ...reconciled(annotations, own),
  };
  const different = Object.entries(desired).filter(([name, text]) => annotations[name] !== text);
  const patch: Strings = {
    ...Object.fromEntries(different),
    ...options.checkIn && checkIn(own.now),
  };
  return {
    annotations: { ...annotations, ...patch },
    patch,
    published: { endpoint: endpoint.published, internalIP: internalIP.published },
  };
}

/** The patch (a merge patch of nulls) that takes away everything an agent publishes. */
export const CLEAN_UP_PATCH: Readonly<Record<string, null>> = Object.fromEntries(
  ([
    "endpoint",
    "internalIP",
    "key",
    "lastSeen",
    "wireGuardIP",
    "discoveredEndpoints",
    "granularity",
    "cniCompatibilityIP",
    "encapsulationIP",
  ] as const).map((name) => [ANNOTATIONS[name], null]),
);

/** Reads {@link Published} from the JSON it was kept as; undefined if it is something else. */
export function parsePublished(text: string): Published | undefined {
  try {
    const { endpoint, internalIP } = JSON.parse(text);
    if (isTexts(endpoint) && isTexts(internalIP)) return { endpoint, internalIP };
  } catch {
    // Not JSON, or null.
  }
  return undefined;
}

interface Sources {
  /** Text that a person demands; undefined: none does. */
  readonly forced: string | undefined;
  readonly annotated: string | undefined;
  /** The annotated value as an agent writes it; undefined if it can't be read. */
  readonly canonical: (text: string | undefined) => string | undefined;
  readonly discovered: string;
  readonly published: readonly string[];
}

/** Forced before somebody else's before discovered. A copied forced value is not somebody else's. */
function choose(from: Sources): { text: string; published: readonly string[] } {
  const isOurs = from.published.some((text) => text === from.annotated);
  const theirs = isOurs ? undefined : from.canonical(from.annotated);
  if (from.forced === undefined && theirs !== undefined) return { text: theirs, published: [] };
  const text = from.forced ?? from.discovered;
  const published = from.annotated === text ? [text] : [...new Set([...from.published, text])];
  return { text, published };
}

function reconciled(annotations: Strings, own: Own): Strings {
  const { wireGuardIP, encapsulationIP, discoveredEndpoints } = ANNOTATIONS;
  if (own.reconciled) {
    const encapsulated = optionalPrefix(own.reconciled.encapsulationIP);
    return {
      [wireGuardIP]: optionalPrefix(own.reconciled.wireGuardIP),
      // Few nodes have it: the others' are as the original's.
      ...encapsulated !== (annotations[encapsulationIP] ?? "") &&
        { [encapsulationIP]: encapsulated },
      [discoveredEndpoints]: formatDiscoveredEndpoints(own.reconciled.discoveredEndpoints),
    };
  }
  return {
    [wireGuardIP]: annotations[wireGuardIP] ?? "",
    [discoveredEndpoints]: annotations[discoveredEndpoints] ?? "",
  };
}

function canonicalEndpoint(text: string | undefined): string | undefined {
  const endpoint = text ? parseEndpoint(text) : undefined;
  return endpoint && formatEndpoint(endpoint);
}

function canonicalPrefix(text: string | undefined): string | undefined {
  const prefix = text ? parsePrefix(text) : undefined;
  return prefix && formatPrefix(prefix);
}

function optionalPrefix(prefix: Prefix | undefined): string {
  return prefix ? formatPrefix(prefix) : "";
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
