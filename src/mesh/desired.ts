/** Everything the kernel shall have on this node, as one value. */

import type { DeviceConfig } from "../net/device.ts";
import type { Firewall } from "../net/firewall.ts";
import type { Key } from "../net/key.ts";
import type { Prefix } from "../net/prefix.ts";
import type { Route, Rule } from "../net/route.ts";
import { deviceConfig } from "./config.ts";
import { tunnelAddress } from "./encapsulation.ts";
import { firewall, type FirewallSettings } from "./firewall.ts";
import type { Peer } from "./peer.ts";
import { type RouteSettings, routing } from "./routes.ts";
import type { Topology } from "./topology.ts";
import { type Warning, warning } from "../net/warning.ts";

/** How this node takes part, from the command line and from what was found on the host. */
export interface Settings extends RouteSettings, FirewallSettings {
  readonly privateKey?: Key;
}

export interface Desired {
  /** A leader's WireGuard interface is up; all others' are down. */
  readonly isLeader: boolean;
  /** The leader's WireGuard address with the subnet's length. */
  readonly address?: Prefix;
  /** What a leader sets, or would set. Of two nodes with one public key the later counts. */
  readonly device: DeviceConfig;
  /** Destinations may carry host bits; of two to the same network the later counts. */
  readonly routes: readonly Route[];
  readonly rules: readonly Rule[];
  readonly firewall: Firewall;
  /** The only address of the tunnel device; undefined: its addresses are not ours to set. */
  readonly tunnelAddress?: Prefix;
  /** What was ignored; equal warnings for equal reasons. */
  readonly warnings: readonly Warning[];
}

/** Computes what this node's kernel shall have; the listen port is that of its own endpoint. */
export function desired(topology: Topology, settings: Settings): Desired {
  const { local, localSegment, isLeader, subnet } = topology;
  const distinct = distinctPeers(topology);
  const { routes, rules, warnings } = routing(topology, settings);
  const tunnel = settings.local ? tunnelAddress(local, settings) : undefined;
  return {
    isLeader,
    ...isLeader && { address: { ip: localSegment.wireGuardIP, bits: subnet.bits } },
    device: deviceConfig(
      { ...topology, peers: distinct.peers },
      {
        ...settings.privateKey && { privateKey: settings.privateKey },
        listenPort: local.endpoint.port,
      },
    ),
    routes,
    rules,
    firewall: firewall(topology, settings),
    ...tunnel && { tunnelAddress: tunnel },
    warnings: [...topology.warnings, ...distinct.warnings, ...warnings],
  };
}

/** A device has one peer for a key: nodes come first, then the first Peer by name. */
function distinctPeers({ segments, peers }: Topology): { peers: Peer[]; warnings: Warning[] } {
  const owners = new Map<Key, string>();
  const warnings: Warning[] = [];
  for (const { nodes } of segments) {
    for (const node of nodes) {
      const owner = owners.get(node.key);
      const subject = `node ${node.name}`;
      if (owner !== undefined) {
        warnings.push(warning("duplicate", subject, `${owner} and ${subject} have one public key`));
      }
      owners.set(node.key, subject);
    }
  }
  const distinct = peers.filter((peer) => {
    const owner = owners.get(peer.publicKey);
    const subject = `Peer ${peer.name}`;
    if (owner === undefined) owners.set(peer.publicKey, subject);
    else {
      const text = `${subject} is not on the device: ${owner} has its public key`;
      warnings.push(warning("duplicate", subject, text));
    }
    return owner === undefined;
  });
  return { peers: distinct, warnings };
}
