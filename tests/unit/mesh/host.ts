/** What a small cluster makes of a host that keeps its networks, as text. */

import type { DeviceConfig } from "../../../src/net/device.ts";
import { formatIP } from "../../../src/net/ip.ts";
import { formatPrefix, type Prefix } from "../../../src/net/prefix.ts";
import type { Route } from "../../../src/net/route.ts";
import { type Desired, desired, type Settings } from "../../../src/mesh/desired.ts";
import { type HostFacts, NO_FACTS } from "../../../src/mesh/host_facts.ts";
import { protect } from "../../../src/mesh/protect.ts";
import type { Topology } from "../../../src/mesh/topology.ts";
import { ip, prefix, settings } from "./cluster.ts";

/** 10.0.0.1 on eth0, router 10.0.0.254, as nodes of `cluster.ts` have it. */
export const HOST: HostFacts = {
  ...NO_FACTS,
  networks: [{ prefix: prefix("10.0.0.0/24"), device: "eth0" }],
  addresses: [ip("10.0.0.1"), ip("10.42.1.1")],
  ways: [
    { dst: prefix("0.0.0.0/0"), gateway: ip("10.0.0.254"), oif: 2, onlink: false, metric: 100 },
    { dst: prefix("0.0.0.0/0"), gateway: ip("10.0.0.253"), oif: 3, onlink: false, metric: 200 },
    { dst: prefix("10.0.0.0/24"), oif: 2, source: ip("10.0.0.1"), onlink: false, metric: 0 },
  ],
};

export function applied(
  topology: Topology,
  facts: Partial<HostFacts> = {},
  fields: Partial<Settings> = {},
): Desired {
  const computed = desired(topology, settings({ strategy: "never", ...fields }));
  return protect({ desired: computed, topology }, { ...HOST, ...facts });
}

/** Destination and gateway, or the device: a role, or an index. */
function text({ dst, gateway, device, oif }: Route): string {
  return `${formatPrefix(dst)} ${gateway ? formatIP(gateway) : device ?? `dev ${oif}`}`;
}

export function routes(desired: Desired): string[] {
  return desired.routes.map(text);
}

export function texts({ warnings }: Desired): string[] {
  return warnings.map(({ code, subject, text }) => `${code} (${subject}) ${text}`);
}

export function allowed({ peers }: DeviceConfig): string[] {
  return peers.map(({ allowedIPs }) => allowedIPs.map(formatPrefix).join());
}

export function networks(...texts: readonly string[]): { allowedIPs: Prefix[] } {
  return { allowedIPs: texts.map(prefix) };
}
