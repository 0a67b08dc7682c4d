/** How a world becomes links, addresses, routes and filters: text for `ip -batch` and `nft -f`. */

import { addToIP, formatIP, isPublic } from "../../src/net/ip.ts";
import { contains, formatPrefix, network, parsePrefix, type Prefix } from "../../src/net/prefix.ts";
import type { NodeSpec, World } from "./world.ts";

/** The namespace in which all sites' routers meet. */
export const INTERNET = "internet";

/** Where the API server is, in {@link INTERNET}: all nodes reach it, those behind NAT too. */
export const API_SERVER = "192.0.2.126";

export function routerOf(site: string): string {
  return `${site}-router`;
}

export function podOf(node: string): string {
  return `${node}-pod`;
}

/** The namespaces of a world, by name. */
export function machines(world: World): string[] {
  return [
    INTERNET,
    ...world.sites.map((site) => routerOf(site.name)),
    ...hosts(world).map((host) => host.name),
    ...world.nodes.map((node) => podOf(node.name)),
  ];
}

/** The cables, for one `ip -batch` outside of all namespaces: both ends are born in their own. */
export function cables(world: World, pid: (machine: string) => number): string {
  const cable = (a: [machine: string, device: string], b: [machine: string, device: string]) =>
    `link add ${a[1]} netns ${pid(a[0])} type veth peer name ${b[1]} netns ${pid(b[0])}`;
  return lines([
    ...world.sites.map(({ name }) => cable([INTERNET, name], [routerOf(name), "wan"])),
    ...hosts(world).map(({ name, site }, index) =>
      cable([routerOf(site), `port${index}`], [name, "eth0"])
    ),
    ...world.nodes.map(({ name }) => cable([name, "pod0"], [podOf(name), "eth0"])),
  ]);
}

/** The setup of each machine once its cables are plugged in, as a shell script. */
export function setups(world: World): Map<string, string> {
  const result = new Map([[INTERNET, setupInternet(world)]]);
  world.sites.forEach((site, index) => result.set(routerOf(site.name), setupRouter(world, index)));
  for (const host of hosts(world)) result.set(host.name, setupHost(world, host));
  for (const node of world.nodes) result.set(podOf(node.name), setupPod(node));
  for (const node of world.nodes) result.set(node.name, result.get(node.name) + setupBridge(node));
  return result;
}

/** The address of the pod on this node. */
export function podAddress(node: NodeSpec): string {
  return formatIP(nth(node.podCIDR, 2).ip);
}

/**
 * What crosses the internet is counted: WireGuard's own messages (UDP port 51820, starting with one
 * of its four message types and three zero bytes, also where an ICMP error quotes one) as `sealed`,
 * and everything else as `clear`.
 */
const WATCH = `
table inet watch {
  counter sealed { }
  counter clear { }
  chain forward {
    type filter hook forward priority 0
    meta l4proto udp th sport 51820 @th,64,32 { 0x1000000, 0x2000000, 0x3000000, 0x4000000 } counter name sealed return
    meta l4proto udp th dport 51820 @th,64,32 { 0x1000000, 0x2000000, 0x3000000, 0x4000000 } counter name sealed return
    icmp type destination-unreachable @th,288,32 { 0x1000000, 0x2000000, 0x3000000, 0x4000000 } counter name sealed return
    icmpv6 type destination-unreachable @th,448,32 { 0x1000000, 0x2000000, 0x3000000, 0x4000000 } counter name sealed return
    counter name clear
  }
}`;

const NAT = `
table ip nat {
  chain postrouting {
    type nat hook postrouting priority srcnat
    oifname wan masquerade
  }
  chain unasked {
    type filter hook prerouting priority 0
    iifname wan ct state new drop
  }
}`;

/** The n-th site's router is linked to the internet by the n-th /30 of 192.0.2.0/25. */
function transit(index: number): { readonly internet: string; readonly router: string } {
  return { internet: `192.0.2.${4 * index + 1}`, router: `192.0.2.${4 * index + 2}` };
}

function setupInternet({ sites }: World): string {
  const links = sites.flatMap(({ name, gateway, nat }, index) => [
    `addr add ${transit(index).internet}/30 dev ${name}`,
    `link set ${name} up`,
    ...nat
      ? []
      : gateway.map(prefix).filter(({ ip }) => isPublic(ip)).map((net) =>
        `route add ${formatPrefix(network(net))} via ${transit(index).router}`
      ),
  ]);
  return ip([`addr add ${API_SERVER} dev lo`, ...links]) + nft(WATCH);
}

function setupRouter(world: World, index: number): string {
  const { name, gateway, nat } = world.sites[index]!;
  const ports = hosts(world).map((host, port) => ({ ...host, device: `port${port}` }));
  const commands = [
    "link add lan type bridge",
    ...gateway.map((address) => `addr add ${address} dev lan`),
    "link set lan up",
    ...ports.filter((port) => port.site === name)
      .map(({ device }) => `link set ${device} master lan up`),
    `addr add ${transit(index).router}/30 dev wan`,
    "link set wan up",
    `route add default via ${transit(index).internet}`,
  ];
  return ip(commands) + (nat ? nft(NAT) : "");
}

function setupHost({ sites }: World, { name, site, addresses }: Host): string {
  const gateways = sites.find((one) => one.name === site)!.gateway.map(prefix);
  const gateway = gateways.find((one) => contains(one, prefix(addresses[0]!).ip))!;
  const commands = [
    ...addresses.map((address) => `addr add ${address} dev eth0`),
    "link set eth0 up",
    `route add default via ${formatIP(gateway.ip)}`,
  ];
  return `echo '${formatIP(prefix(addresses[0]!).ip)} ${name}' >>/etc/hosts\n${ip(commands)}`;
}

/** What the CNI plugins `bridge` and `host-local` make of a node for its first pod. */
function setupBridge({ podCIDR }: NodeSpec): string {
  return ip([
    "link add kube-bridge type bridge",
    `addr add ${formatPrefix(nth(podCIDR, 1))} dev kube-bridge`,
    "link set kube-bridge up",
    "link set pod0 master kube-bridge up",
  ]);
}

function setupPod({ podCIDR }: NodeSpec): string {
  return ip([
    `addr add ${formatPrefix(nth(podCIDR, 2))} dev eth0`,
    "link set eth0 up",
    `route add default via ${formatIP(nth(podCIDR, 1).ip)}`,
  ]);
}

type Host = Pick<NodeSpec, "name" | "site" | "addresses">;

function hosts(world: World): Host[] {
  return [...world.nodes, ...world.peers];
}

function prefix(text: string): Prefix {
  const result = parsePrefix(text);
  if (!result) throw new TypeError(`${text} is no address with a prefix length`);
  return result;
}

function nth(subnet: string, offset: number): Prefix {
  const { ip, bits } = prefix(subnet);
  return { ip: addToIP(ip, offset)!, bits };
}

function ip(commands: readonly string[]): string {
  return `ip -batch - <<'END'\n${lines(commands)}END\n`;
}

function nft(ruleset: string): string {
  return `nft -f - <<'END'${ruleset}\nEND\n`;
}

function lines(commands: readonly string[]): string {
  return commands.map((command) => `${command}\n`).join("");
}
