/** What this host is built on, as the mesh must know it; see {@link HostFacts}. */

import { equalIP, type IP, width } from "../net/ip.ts";
import {
  contains,
  formatPrefix,
  network,
  parsePrefix,
  type Prefix,
  prefixKey,
} from "../net/prefix.ts";
import type { DeviceState } from "../net/device.ts";
import type { EndpointInUse, HostFacts, Server, Way } from "../mesh/host_facts.ts";
import type { Host } from "./host.ts";
import { ARPHRD_ETHER } from "../netlink/link.ts";
import { isOnLink } from "./routes.ts";
import { TUNNEL_DEVICES } from "./tunnel.ts";

/** The pods' bridge: what is on it is the mesh's own. */
const BRIDGE = "kube-bridge";

/** Each device has such addresses, so they come and go with pods. */
const LINK_LOCAL = [parsePrefix("fe80::/10")!, parsePrefix("169.254.0.0/16")!];

/** Makes the facts from what is known of the host. Returns the same value while nothing changed. */
export class HostFactsObserver {
  readonly #host: Host;
  readonly #notOnLink: ReadonlySet<string>;
  #last: { readonly text: string; readonly facts: HostFacts } | undefined;

  constructor(host: Host, { kiloInterface }: { readonly kiloInterface: string }) {
    this.#host = host;
    this.#notOnLink = new Set([kiloInterface, BRIDGE, ...TUNNEL_DEVICES]);
  }

  /** Throws a NetlinkError if the kernel refuses. */
  observe(
    device: DeviceState | undefined,
    { servers }: { readonly servers: readonly Server[] },
  ): HostFacts {
    const facts = {
      networks: this.#networks(),
      addresses: this.#ownAddresses(),
      ways: this.#ways(),
      servers,
    };
    const text = textOf(facts);
    const endpoints = endpointsOf(device);
    const last = this.#last;
    if (last?.text === text && equalEndpoints(last.facts.endpoints, endpoints)) return last.facts;
    this.#last = { text, facts: { ...facts, endpoints } };
    return this.#last.facts;
  }

  /** A former leader still has the next leader's address on its Kilo interface. */
  #ownAddresses(): IP[] {
    const names = this.#names();
    return this.#host.addresses
      .filter(({ index }) => !this.#notOnLink.has(names.get(index) ?? ""))
      .map(({ prefix }) => prefix.ip).filter((ip) => !isLocal(ip));
  }

  #ways(): Way[] {
    const names = this.#names();
    return this.#host.ways.flatMap(({ dst, gateway, oif, source, onlink, metric }) => {
      const device = oif === undefined ? undefined : names.get(oif);
      if (oif === undefined || device === undefined || this.#notOnLink.has(device)) return [];
      return { dst, gateway, oif, source, onlink, metric };
    });
  }

  #names(): ReadonlyMap<number, string> {
    return new Map(this.#host.links.map(({ index, name }) => [index, name]));
  }

  #networks(): HostFacts["networks"] {
    const names = this.#names();
    const networks = new Map<number | bigint, HostFacts["networks"][number]>();
    for (const { prefix, index } of [...this.#addressed(), ...this.#onLink()]) {
      const device = names.get(index);
      if (device === undefined || this.#notOnLink.has(device)) continue;
      const key = prefixKey(prefix);
      if (!networks.has(key)) networks.set(key, { prefix, device });
    }
    return [...networks.values()];
  }

  /** The networks that come with addresses. */
  #addressed(): OnDevice[] {
    return this.#host.addresses.flatMap(({ index, prefix: { ip, bits }, peer }) => {
      const isHost = bits === width(ip.family) && peer === undefined;
      return isHost ? [] : { prefix: network({ ip: peer ?? ip, bits }), index };
    });
  }

  /** Those that only a route says are on link, as beside an address with /32. */
  #onLink(): OnDevice[] {
    const lans = new Set(
      this.#host.links.filter(({ type }) => type === ARPHRD_ETHER).map(({ index }) => index),
    );
    return this.#host.ways.flatMap((way) => {
      const { dst, oif } = way;
      return isOnLink(way) && oif !== undefined && lans.has(oif) ? { prefix: dst, index: oif } : [];
    });
  }
}

interface OnDevice {
  readonly prefix: Prefix;
  /** Of the device. */
  readonly index: number;
}

function isLocal(ip: IP): boolean {
  return LINK_LOCAL.some((prefix) => contains(prefix, ip));
}

function textOf({ networks, addresses, ways, servers }: Omit<HostFacts, "endpoints">): string {
  const text = (ip: IP | undefined) => ip && `${ip.family}:${ip.value}`;
  return [
    networks.map(({ prefix, device }) => `${formatPrefix(prefix)} ${device}`),
    addresses.map(text),
    ways.map(({ dst, gateway, oif, source, onlink, metric }) =>
      [formatPrefix(dst), text(gateway), oif, text(source), onlink, metric].join(" ")
    ),
    servers.map(({ ip, role }) => `${text(ip)} ${role}`),
  ].join("\n");
}

function endpointsOf(device: DeviceState | undefined): EndpointInUse[] {
  return device?.peers.flatMap(({ publicKey, endpoint, lastHandshake }) =>
    endpoint ? [{ publicKey, ip: endpoint.ip, hasLived: lastHandshake > 0 }] : []
  ) ?? [];
}

function equalEndpoints(a: readonly EndpointInUse[], b: readonly EndpointInUse[]): boolean {
  return a.length === b.length && a.every((one, at) => {
    const other = b[at]!;
    return one.publicKey === other.publicKey && one.hasLived === other.hasLived &&
      equalIP(one.ip, other.ip);
  });
}
