/** Compares one case of topology.json with what we compute. */

import { isDeepStrictEqual } from "node:util";
import { formatConf } from "../../src/net/conf.ts";
import { formatIP } from "../../src/net/ip.ts";
import { formatPrefix, network, parsePrefix, type Prefix } from "../../src/net/prefix.ts";
import type { Route, Rule } from "../../src/net/route.ts";
import { asPeerConfig, deviceConfig, peerConfig } from "../../src/mesh/config.ts";
import { desired, type Settings } from "../../src/mesh/desired.ts";
import type { Encapsulator, Strategy } from "../../src/mesh/encapsulation.ts";
import { graph } from "../../src/mesh/graph.ts";
import {
  formatChain,
  formatRule,
  ipipRules,
  type IptablesRules,
  natRules,
} from "../../src/mesh/iptables.ts";
import type { Granularity, Node } from "../../src/mesh/node.ts";
import { asNodeObject, asPeerObject } from "../../src/mesh/object.ts";
import type { Peer } from "../../src/mesh/peer.ts";
import { parseNode } from "../../src/mesh/read_node.ts";
import { InvalidPeerError, parsePeer } from "../../src/mesh/read_peer.ts";
import { type CompleteNode, isComplete, isReadyPeer } from "../../src/mesh/readiness.ts";
import { type Topology, topology, TopologyError } from "../../src/mesh/topology.ts";

interface Input {
  granularity: Granularity;
  hostname: string;
  subnet: string;
  serviceCIDRs: string[] | null;
  now: number;
  encapsulate: Strategy;
  compatibility: string;
  local: boolean;
  cni: boolean;
  forwardRules: boolean;
  topologyLabel: string;
  nodes: unknown[];
  peers: unknown[] | null;
}

type Fields = Readonly<Record<string, unknown>>;

/** The fields in which we differ; none: the case passes. */
export function checkTopologyCase(value: unknown): string[] {
  const { input, expect } = value as { input: Input; expect: Fields };
  let got: Fields;
  try {
    got = answer(input);
  } catch (error) {
    // The original gives a segment no address where ours says that the subnet is used up.
    if (error instanceof TopologyError && JSON.stringify(expect).includes("<nil>")) return [];
    throw error;
  }
  const expected = normalize(expect);
  const names = Object.keys({ ...expected, ...got });
  return names.filter((name) => !isDeepStrictEqual(expected[name], got[name]));
}

function answer(input: Input): Fields {
  const peers = input.peers?.flatMap(readPeer).filter(isReadyPeer) ?? [];
  const mesh = topology({ nodes: input.nodes.flatMap((node) => readNode(node, input)), peers }, {
    hostname: input.hostname,
    granularity: input.granularity,
    subnet: prefix(input.subnet),
  });
  const settings = settingsOf(input, mesh.local);
  const state = desired(mesh, settings);
  const nat = natRules(mesh, settings);
  const confs = [undefined, ...mesh.peers].map((peer) =>
    [peer?.name ?? "", formatConf(peerConfig(mesh, peer))] as const
  );
  return normalize({
    leader: state.isLeader,
    wireGuardIP: formatPrefix(state.address ?? mesh.subnet),
    location: mesh.localSegment.location,
    segments: segmentsOf(mesh),
    conf: formatConf(deviceConfig(mesh, { listenPort: mesh.local.endpoint.port })),
    peerConf: Object.fromEntries(confs),
    asPeer: formatConf({ peers: [asPeerConfig(mesh)] }),
    routes: state.routes.map(routeFields),
    rules: state.rules.map(ruleFields),
    firewallAppend: appended(nat),
    firewallPrepend: nat.prepend.map(formatRule),
    ...encapsulationFields(input, mesh, settings),
    // The original escapes nothing.
    dot: graph(mesh).replace(/\\(["\\])/g, "$1"),
  });
}

function readNode(object: unknown, { topologyLabel, now }: Input): CompleteNode[] {
  const { node } = parseNode(asNodeObject(object), { topologyLabel });
  return isComplete(node) && now - node.lastSeen < 60 ? [node] : [];
}

function readPeer(object: unknown): Peer[] {
  try {
    return [parsePeer(asPeerObject(object)).peer];
  } catch (error) {
    if (error instanceof InvalidPeerError) return [];
    throw error;
  }
}

function settingsOf(input: Input, local: Node): Settings {
  const compatible = input.compatibility === "flannel" || input.compatibility === "cilium";
  return {
    strategy: input.encapsulate,
    encapsulator: compatible ? input.compatibility as Encapsulator : "ipip",
    tunnel: true,
    ...local.internalIP && { privateAddress: local.internalIP },
    local: input.local,
    cni: input.cni,
    forwardRules: input.forwardRules,
    serviceCIDRs: input.serviceCIDRs?.map(prefix) ?? [],
  };
}

function segmentsOf({ segments }: Topology): unknown[] {
  return segments.map((segment) => ({
    allowedIPs: segment.allowedIPs.map(formatPrefix),
    allowedLocationIPs: segment.allowedLocationIPs.map(formatPrefix),
    hostnames: segment.nodes.map((node) => node.name),
    leader: segment.leader.name,
    location: segment.location,
    wireGuardIP: formatIP(segment.wireGuardIP),
  }));
}

function routeFields({ dst, gateway, device, source, table, onlink }: Route): Destination {
  return {
    dst: formatPrefix(dst),
    ...device && { dev: device },
    ...gateway && { gw: formatIP(gateway) },
    ...source && { src: formatIP(source) },
    ...table && { table },
    onlink,
  };
}

function ruleFields({ src, dst, iif, table }: Rule): Destination {
  return {
    dst: formatPrefix(dst),
    ...src && { src: formatPrefix(src) },
    ...iif && { iif: "kilo0" },
    table,
  };
}

/** There only with `local` and a strategy. */
function encapsulationFields(input: Input, mesh: Topology, settings: Settings): Fields {
  if (!input.local || input.encapsulate === "never") return {};
  const rules = ipipRules(mesh, settings);
  return {
    encapAppend: rules ? appended(rules) : [],
    encapPrepend: rules ? rules.prepend.map(formatRule) : [],
  };
}

function appended({ chains, append }: IptablesRules): string[] {
  return [...chains.map(formatChain), ...append.map(formatRule)];
}

/** Empty lists as null, CIDRs as networks, and no order where there is none. */
function normalize(fields: Fields): Fields {
  const routes = fields.routes as Destination[] | null;
  const rules = fields.rules as Destination[] | null;
  return {
    ...Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, orNull(value)])),
    routes: orNull(routes?.map(byNetwork).sort()),
    rules: orNull(rules?.map(byNetwork).sort()),
    segments: (fields.segments as SegmentFields[]).map((segment) => ({
      ...segment,
      allowedIPs: segment.allowedIPs?.map(masked),
      allowedLocationIPs: orNull(segment.allowedLocationIPs?.map(masked)),
    })),
  };
}

interface Destination {
  dst: string;
  [name: string]: unknown;
}

interface SegmentFields {
  allowedIPs: string[] | null;
  allowedLocationIPs: string[] | null;
}

function orNull<T>(value: T): T | null {
  return value === undefined || Array.isArray(value) && value.length === 0 ? null : value;
}

function byNetwork(route: Destination): string {
  const fields = Object.entries({ ...route, dst: masked(route.dst) });
  return JSON.stringify(fields.sort(([a], [b]) => a < b ? -1 : 1));
}

function masked(text: string): string {
  return formatPrefix(network(prefix(text)));
}

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (!parsed) throw new TypeError(`not a CIDR: ${text}`);
  return parsed;
}
