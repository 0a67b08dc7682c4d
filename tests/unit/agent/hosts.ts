/** Hosts as values, and what a kg on them picks. */

import { discover, type DiscoveryOptions } from "../../../src/agent/discovery.ts";
import { type HostView, viewHost } from "../../../src/agent/host_view.ts";
import { formatIP, parseIP } from "../../../src/net/ip.ts";
import { formatPrefix, parsePrefix } from "../../../src/net/prefix.ts";
import type { Address } from "../../../src/netlink/address.ts";
import type { Link } from "../../../src/netlink/link.ts";

/** As the kernel has them (`IFA_F_*`). */
const FLAGS: Readonly<Record<string, Partial<Address>>> = {
  leased: { flags: 0 },
  secondary: { flags: 0x81 },
  temporary: { flags: 0x01 },
  deprecated: { flags: 0xa0 },
  duplicate: { flags: 0x88 },
  tentative: { flags: 0xc0 },
  host: { scope: 254 },
  peer: { peer: parseIP("10.255.255.1")! },
};

const KINDS: Readonly<Record<string, Pick<Link, "kind" | "type">>> = {
  ether: { kind: undefined, type: 1 },
  veth: { kind: "veth", type: 1 },
  wireguard: { kind: "wireguard", type: 0xfffe },
  amneziawg: { kind: "amneziawg", type: 0xfffe },
  tun: { kind: "tun", type: 0xfffe },
  tap: { kind: "tun", type: 1 },
  ppp: { kind: "ppp", type: 512 },
  oldppp: { kind: undefined, type: 512 },
  modem: { kind: undefined, type: 0xfffe },
  wwan: { kind: "wwan", type: 0xfffe },
};

/** `address/len` and what is said of it: `10.0.0.1/24,secondary`; permanent and global if nothing is. */
function address(index: number, text: string): Address {
  const [prefix = "", ...words] = text.split(",");
  const said = words.map((word) => FLAGS[word]!);
  return Object.assign({ index, prefix: parsePrefix(prefix)!, flags: 0x80 }, ...said);
}

/** A host from its interfaces (`name` or `name kind`: addresses, index in order from 1), and by which it sends. */
export function host(
  interfaces: Record<string, string>,
  rest: { via?: string; name?: string } = {},
): HostView {
  const links = Object.keys(interfaces).map((key, at) => {
    const [name = "", kind = "ether"] = key.split(" ");
    return { index: at + 1, name, ...KINDS[kind]! };
  });
  const addresses = Object.values(interfaces).flatMap((texts, at) =>
    texts.split(" ").filter(Boolean).map((text) => address(at + 1, text))
  );
  const defaultRoutes = (rest.via ?? "").split(" ").filter(Boolean)
    .map((via) => ({ oif: links.find(({ name }) => name === via)?.index }));
  const hostnameIPs = (rest.name ?? "").split(" ").filter(Boolean).map((text) => parseIP(text)!);
  return viewHost({ links, addresses, defaultRoutes }, hostnameIPs);
}

/** `endpoint internal`, with - for none; `chosen` is what was so before. */
export function pick(
  view: HostView,
  { chosen, ...options }: Partial<DiscoveryOptions> & { readonly chosen?: string } = {},
): string {
  const [endpointIP, internalIP] = (chosen ?? "").split(" ").map((text) => parseIP(text));
  const found = discover(view, {
    kiloInterface: "kilo0",
    internalCidr: [],
    prioritisePrivateAddresses: false,
    ...options,
  }, { ...endpointIP && { endpointIP }, ...internalIP && { internalIP } });
  return `${formatIP(found.endpointIP)} ${found.internalIP ? formatPrefix(found.internalIP) : "-"}`;
}
