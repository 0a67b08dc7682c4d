/** Node and Peer objects of small clusters. */

type Fields = Readonly<Record<string, unknown>>;

/** Keys are not secret here, and all they have to be is different. */
function key(seed: string): string {
  return new TextEncoder().encode(seed.padEnd(32)).toBase64();
}

/**
 * A ready node with networks of its own, unless the annotations say otherwise; their names without the
 * prefix. The first letter counts: `a` has 10.42.1.0/24 and 10.0.0.1.
 */
export function node(name: string, annotations: Readonly<Record<string, string>> = {}): Fields {
  const number = name.charCodeAt(0) % 96;
  const all = {
    "endpoint": "192.0.2.1:51820",
    "internal-ip": `10.0.0.${number}/24`,
    "key": key(name),
    "last-seen": String(Math.trunc(Date.now() / 1000)),
    "granularity": "full",
    ...annotations,
  };
  return {
    kind: "Node",
    metadata: {
      name,
      annotations: Object.fromEntries(
        Object.entries(all).map(([name, text]) => [`kilo.squat.ai/${name}`, text]),
      ),
    },
    spec: { podCIDR: `10.42.${number}.0/24` },
  };
}

export function peer(name: string, spec: Fields = {}): Fields {
  return {
    kind: "Peer",
    metadata: { name },
    spec: { allowedIPs: ["10.5.0.1/32"], publicKey: key(name), ...spec },
  };
}
