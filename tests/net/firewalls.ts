/** Firewalls by text, and what a test may do to the connection underneath. */

import type { Firewall } from "../../src/net/firewall.ts";
import { parsePrefix, type Prefix } from "../../src/net/prefix.ts";
import { Connection } from "../../src/netlink/connection.ts";
import { openLibraries } from "../../src/netlink/libmnl.ts";
import { NETLINK_NETFILTER, Socket } from "../../src/netlink/socket.ts";
import type { Transport } from "../../src/netlink/transport.ts";
import type { NetworkNamespace } from "./namespace.ts";

openLibraries(); // stay open, which would count as a leak of the first test

/** Prefixes separated by spaces. */
export function firewall(
  { sources = "", destinations = "", keep = "", ipip, forward }: {
    readonly sources?: string;
    readonly destinations?: string;
    readonly keep?: string;
    readonly ipip?: string;
    readonly forward?: string;
  },
): Firewall {
  return {
    nat: {
      sources: prefixes(sources),
      destinations: prefixes(destinations),
      keep: prefixes(keep),
    },
    ...ipip !== undefined && { ipip: { sources: prefixes(ipip) } },
    ...forward !== undefined && { forward: prefixes(forward) },
  };
}

function prefixes(text: string): Prefix[] {
  return text.split(" ").filter((word) => word !== "").map((word) => {
    const prefix = parsePrefix(word);
    if (!prefix) throw new Error(`${word} is no prefix`);
    return prefix;
  });
}

/** Something of everything, with neighbours to merge and the end of the address space. */
export const DESIRED = firewall({
  sources: "10.42.0.0/24 10.5.0.1/32 fd42::/64",
  destinations: "192.168.1.0/24 2001:db8:1::/48",
  keep:
    "10.4.0.1/32 10.42.0.0/24 10.42.1.0/24 10.42.1.7/32 255.255.255.0/24 fd42::/64 fd42:0:0:1::/64",
  ipip: "172.16.0.1/32 172.16.0.2/32",
  forward: "10.42.0.0/24 fd42::/64",
});

/** A set's elements in nft's words, sorted. */
export function elements(namespace: NetworkNamespace, family: "ip" | "ip6", set: string): string[] {
  const text = namespace.run(`nft -j list set ${family} kilo ${set}`);
  const { nftables } = JSON.parse(text) as { nftables: { set?: { elem?: unknown[] } }[] };
  const found = nftables.find((entry) => entry.set)?.set?.elem ?? [];
  return found.map(asText).sort();
}

function asText(element: unknown): string {
  if (typeof element === "string") return element;
  const { prefix, range } = element as {
    prefix?: { addr: string; len: number };
    range?: [string, string];
  };
  return prefix ? `${prefix.addr}/${prefix.len}` : range!.join("-");
}

/** The kernel, with somebody in the way. */
export class MeddledTransport implements Transport {
  readonly portId: number;
  /** Pieces of messages sent so far. */
  sends = 0;
  /** Those of them that are transactions. */
  batches = 0;
  /** Called before each transaction is sent; what it answers is received instead of the kernel's answer. */
  onBatch: (bytes: Uint8Array<ArrayBuffer>) => (() => Uint8Array<ArrayBuffer>) | undefined = () =>
    undefined;
  readonly #socket = Socket.open(NETLINK_NETFILTER);
  #pending: (() => Uint8Array<ArrayBuffer>) | undefined;

  constructor() {
    this.portId = this.#socket.portId;
  }

  send(bytes: Uint8Array<ArrayBuffer>): void {
    this.sends++;
    const NFNL_MSG_BATCH_BEGIN = 0x10;
    if (new DataView(bytes.buffer, bytes.byteOffset).getUint16(4, true) === NFNL_MSG_BATCH_BEGIN) {
      this.batches++;
      this.#pending = this.onBatch(bytes);
      if (this.#pending) return;
    }
    this.#socket.send(bytes);
  }

  receive(): Uint8Array<ArrayBuffer> | undefined {
    const pending = this.#pending;
    this.#pending = undefined;
    return pending ? pending() : this.#socket.receive();
  }

  /** To the kernel itself, which answers nobody. */
  sendUnread(bytes: Uint8Array<ArrayBuffer>): void {
    this.#socket.send(bytes);
    while (this.#socket.receive() !== undefined);
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }
}

/** To nf_tables of the namespace in which the thread is. */
export function openMeddled(): {
  readonly connection: Connection;
  readonly transport: MeddledTransport;
} {
  const transport = new MeddledTransport();
  return { connection: new Connection(transport), transport };
}
