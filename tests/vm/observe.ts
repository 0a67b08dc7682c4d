/** What the tools of the virtual machine show of a node's kernel. */

import type { Guest } from "./guests.ts";

export interface Device {
  readonly kind: string;
  readonly mtu: number;
  readonly up: boolean;
  readonly addresses: readonly string[];
}

export interface WgDevice {
  readonly key: string;
  readonly port: string;
  readonly peers: readonly WgPeer[];
}

export interface WgPeer {
  readonly key: string;
  readonly presharedKey: string;
  readonly endpoint: string;
  /** Sorted as text. */
  readonly allowedIPs: readonly string[];
  readonly keepalive: string;
  readonly session: Session;
}

export interface Session {
  /** Seconds since the Unix epoch, of the last handshake. */
  readonly handshake: number;
  /** Bytes. */
  readonly received: number;
  readonly sent: number;
}

/** A network device as `ip` shows it. */
export async function device(node: Guest, name: string): Promise<Device> {
  const [link] = JSON.parse(await node.script(`ip -d -j address show dev ${name}`));
  return {
    kind: link.linkinfo.info_kind,
    mtu: link.mtu,
    up: link.flags.includes("UP"),
    addresses: link.addr_info.map(
      ({ local, prefixlen }: { local: string; prefixlen: number }) => `${local}/${prefixlen}`,
    ),
  };
}

/** What `wg show kilo0 dump` prints. */
export async function wgShow(node: Guest): Promise<WgDevice> {
  const [first = "", ...lines] = (await node.script("wg show kilo0 dump")).trimEnd().split("\n");
  const [, key = "", port = ""] = first.split("\t");
  const peers = lines.map((line) => {
    const [key = "", presharedKey = "", endpoint = "", ips = "", ...numbers] = line.split("\t");
    const [handshake, received, sent, keepalive = ""] = numbers;
    return {
      ...{ key, presharedKey, endpoint, keepalive, allowedIPs: ips.split(",").sort() },
      session: { handshake: Number(handshake), received: Number(received), sent: Number(sent) },
    };
  });
  return { key, port, peers };
}

/** Our routes and rules. */
export async function routing(node: Guest): Promise<string[]> {
  const text = await node.script("ip route show table all proto 107; ip rule");
  const lines = text.split("\n").map((line) => line.replace(/^\d+:\s*/, "").trim());
  return lines.filter((line) => / via | proto 107$/.test(line)).sort();
}

/** Packets received and sent by the tunnel device. */
export async function carried(node: Guest): Promise<number[]> {
  const [{ stats64: { rx, tx } }] = JSON.parse(await node.script("ip -s -j link show tunl0"));
  return [rx.packets, tx.packets];
}
