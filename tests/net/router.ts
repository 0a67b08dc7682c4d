/**
 * Three network namespaces: a pod, a host that routes for it, and an outside that notes whose echo
 * requests reach it. The calling thread lives on the host, where the firewall under test is.
 *
 * ```
 * pod ── 10.42.0.0/24, fd42::/64 ── host ── 192.0.2.0/24, 2001:db8::/64 ── outside
 *  .2                          .1 ──────── .1                          .2, also 10.43.0.1, fd43::1
 * ```
 */

import { NetworkNamespace } from "./namespace.ts";

const CLONE_NEWNET = 0x40000000;
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_RAW = 3;

const LIBC = {
  open: { parameters: ["buffer", "i32"], result: "i32" },
  setns: { parameters: ["i32", "i32"], result: "i32" },
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  sendto: {
    parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"],
    result: "isize",
  },
  close: { parameters: ["i32"], result: "i32" },
} as const;

/** IPv6 addresses are usable at once. */
const NO_DAD = `
echo 0 >/proc/sys/net/ipv6/conf/all/accept_dad; echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
`;

const WIRING = (pod: string, outside: string) => `
ip link add pod0 type veth peer name eth0 netns ${pod}
ip link add out0 type veth peer name eth0 netns ${outside}
ip address add 10.42.0.1/24 dev pod0; ip -6 address add fd42::1/64 dev pod0
ip address add 192.0.2.1/24 dev out0; ip -6 address add 2001:db8::1/64 dev out0
ip link set pod0 up; ip link set out0 up
ip route add 10.43.0.0/24 via 192.0.2.2; ip -6 route add fd43::/64 via 2001:db8::2
echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
`;

const POD = `
ip link set lo up
ip address add 10.42.0.2/24 dev eth0; ip -6 address add fd42::2/64 dev eth0
ip link set eth0 up
ip route add default via 10.42.0.1; ip -6 route add default via fd42::1
`;

const OUTSIDE = `
ip link set lo up
ip address add 192.0.2.2/24 dev eth0; ip -6 address add 2001:db8::2/64 dev eth0
ip address add 10.43.0.1/32 dev lo; ip -6 address add fd43::1/128 dev lo
ip link set eth0 up
ip route add default via 192.0.2.1; ip -6 route add default via 2001:db8::1
nft -f - <<'END'
table inet watch {
  set seen4 { type ipv4_addr; flags dynamic; size 64; }
  set seen6 { type ipv6_addr; flags dynamic; size 64; }
  chain input {
    type filter hook input priority 0;
    icmp type echo-request update @seen4 { ip saddr }
    icmpv6 type echo-request update @seen6 { ip6 saddr }
  }
}
END
`;

export class Router implements Disposable {
  readonly host: NetworkNamespace;
  readonly #pod: string;
  readonly #outside: string;

  constructor() {
    this.host = NetworkNamespace.enter("nft");
    this.#pod = `${this.host.name}-pod`;
    this.#outside = `${this.host.name}-out`;
    for (const name of [this.#pod, this.#outside]) run(["ip", "netns", "add", name]);
    for (const name of [this.#pod, this.#outside, this.host.name]) runIn(name, NO_DAD);
    this.sh(WIRING(this.#pod, this.#outside));
    runIn(this.#pod, POD);
    runIn(this.#outside, OUTSIDE);
  }

  /** Runs a shell script on the host. */
  sh(script: string): string {
    return runIn(this.host.name, script);
  }

  /**
   * Who the outside sees when the pod pings one of its addresses; undefined: nobody, no answer. For
   * the kernel, pings to one address of the same number are one flow.
   */
  seenAs(destination: string, { flow }: { readonly flow?: number } = {}): string | undefined {
    const set = destination.includes(":") ? "seen6" : "seen4";
    runIn(this.#outside, `nft flush set inet watch ${set}`);
    const id = flow === undefined ? "" : `-e ${flow}`;
    runIn(this.#pod, `ping -n -q -c 1 -W 0.3 ${id} ${destination} || true`);
    const list = runIn(this.#outside, `nft -j list set inet watch ${set}`);
    const { nftables } = JSON.parse(list) as {
      nftables: { set?: { elem?: (string | { elem: { val: string } })[] } }[];
    };
    const [seen] = nftables.find(({ set }) => set)?.set?.elem ?? [];
    return typeof seen === "object" ? seen.elem.val : seen;
  }

  /** Lets the outside answer nobody who connects to it. */
  dropTCP(): void {
    runIn(this.#outside, "nft add rule inet watch input meta l4proto tcp drop");
  }

  /** Sends a first packet from the pod to the outside, from a port of the kernel's choice. */
  connect(protocol: "tcp" | "udp", destination: string): void {
    const command = `timeout 0.2 bash -c 'echo >/dev/${protocol}/${destination}/4711' || true`;
    runIn(this.#pod, command);
  }

  /** Sends the host one packet of IP protocol 4 from the outside. */
  sendIPIP(family: 4 | 6): void {
    const library = Deno.dlopen("libc.so.6", LIBC);
    const libc = library.symbols;
    try {
      enter(libc, this.#outside);
      const fd = libc.socket(family === 4 ? AF_INET : AF_INET6, SOCK_RAW, 4);
      const to = family === 4 ? SOCKADDR_4 : SOCKADDR_6;
      const sent = libc.sendto(fd, new Uint8Array(20), 20n, 0, to, to.length);
      libc.close(fd);
      enter(libc, this.host.name);
      if (sent !== 20n) throw new Error("the packet could not be sent");
    } finally {
      library.close();
    }
  }

  [Symbol.dispose](): void {
    this.host[Symbol.dispose]();
    for (const name of [this.#pod, this.#outside]) run(["ip", "netns", "delete", name]);
  }
}

/** struct sockaddr_in and sockaddr_in6 of 192.0.2.1 and 2001:db8::1 */
const SOCKADDR_4 = Uint8Array.of(AF_INET, 0, 0, 0, 192, 0, 2, 1, ...new Uint8Array(8));
const SOCKADDR_6 = Uint8Array.of(
  ...[AF_INET6, 0, 0, 0, 0, 0, 0, 0],
  ...[0x20, 0x01, 0x0d, 0xb8, ...new Uint8Array(11), 1],
  ...new Uint8Array(4),
);

function enter(libc: Deno.DynamicLibrary<typeof LIBC>["symbols"], name: string): void {
  const fd = libc.open(new TextEncoder().encode(`/run/netns/${name}\0`), 0);
  const entered = libc.setns(fd, CLONE_NEWNET);
  libc.close(fd);
  if (entered !== 0) throw new Error(`cannot enter ${name}`);
}

function runIn(namespace: string, script: string): string {
  return run(["ip", "netns", "exec", namespace, "sh", "-ec", script]);
}

function run([program, ...args]: readonly string[]): string {
  const output = new Deno.Command(program!, { args }).outputSync();
  const text = new TextDecoder();
  if (output.success) return text.decode(output.stdout);
  throw new Error(`${args.join(" ")}: ${text.decode(output.stderr)}`);
}
