/** What a lab is made of, as data: sites behind routers, nodes with pods, peers outside the cluster. */

/** A network behind a router of its own; the routers meet in "the internet". */
export interface Site {
  readonly name: string;
  /** The router's addresses in it, `address/len`; hosts take the first one of a family as their gateway. */
  readonly gateway: readonly string[];
  /** The router hides its hosts: masquerades what leaves, drops what comes unasked. */
  readonly nat?: boolean;
}

export interface NodeSpec {
  readonly name: string;
  readonly site: string;
  /** On `eth0`, `address/len`. */
  readonly addresses: readonly string[];
  readonly podCIDR: string;
  /** The label `topology.kubernetes.io/region`. */
  readonly location: string;
  /** `kilo.squat.ai/` is put before the names. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/** An outside peer whose WireGuard interface is set up by hand, as a person does on a laptop. */
export interface PeerSpec {
  readonly name: string;
  readonly site: string;
  readonly addresses: readonly string[];
  readonly allowedIPs: readonly string[];
  /** Seconds; other than 0, so that the nodes follow it when it moves. */
  readonly persistentKeepalive: number;
}

export interface World {
  readonly sites: readonly Site[];
  readonly nodes: readonly NodeSpec[];
  readonly peers: readonly PeerSpec[];
}

/**
 * Four nodes in three locations: two on one LAN with public addresses, one alone, one behind NAT;
 * and a laptop somewhere else. Public addresses are those for documentation (RFC 5737).
 */
export const THREE_LOCATIONS: World = {
  sites: [
    { name: "berlin", gateway: ["198.51.100.1/24", "10.1.0.1/24"] },
    { name: "tokyo", gateway: ["203.0.113.1/24", "10.2.0.1/24"] },
    { name: "office", gateway: ["192.168.7.1/24"], nat: true },
    { name: "cafe", gateway: ["192.0.2.129/25"] },
  ],
  nodes: [
    {
      name: "berlin-1",
      site: "berlin",
      location: "berlin",
      addresses: ["198.51.100.11/24", "10.1.0.11/24"],
      podCIDR: "10.42.1.0/24",
    },
    {
      name: "berlin-2",
      site: "berlin",
      location: "berlin",
      addresses: ["198.51.100.12/24", "10.1.0.12/24"],
      podCIDR: "10.42.2.0/24",
    },
    {
      name: "tokyo-1",
      site: "tokyo",
      location: "tokyo",
      addresses: ["203.0.113.31/24", "10.2.0.31/24"],
      podCIDR: "10.42.3.0/24",
    },
    {
      name: "office-1",
      site: "office",
      location: "office",
      addresses: ["192.168.7.41/24"],
      podCIDR: "10.42.4.0/24",
      annotations: { "persistent-keepalive": "5" },
    },
  ],
  peers: [
    {
      name: "laptop",
      site: "cafe",
      addresses: ["192.0.2.200/25"],
      allowedIPs: ["10.10.10.10/32"],
      persistentKeepalive: 5,
    },
  ],
};

/** The part of a world that these nodes and peers make up. */
export function only(world: World, names: readonly string[]): World {
  const nodes = world.nodes.filter(({ name }) => names.includes(name));
  const peers = world.peers.filter(({ name }) => names.includes(name));
  const sites = new Set([...nodes, ...peers].map(({ site }) => site));
  return { sites: world.sites.filter(({ name }) => sites.has(name)), nodes, peers };
}
