/** Packets sent and packets seen. */

import type { Namespace } from "./namespace.ts";

export interface Ping {
  readonly sent: number;
  readonly received: number;
  /** Average round-trip time in milliseconds; absent without an answer. */
  readonly rtt?: number;
}

/** Sends echo requests; a destination that can't be reached is an answer like any other. */
export async function ping(
  from: Namespace,
  to: string,
  /** `interval` and `timeout` (for the answer to the last one) in seconds. */
  { count = 1, interval = 0.01, timeout = 1 }: {
    count?: number;
    interval?: number;
    timeout?: number;
  } = {},
): Promise<Ping> {
  const options = ["-n", "-q", "-c", `${count}`, "-i", `${interval}`, "-W", `${timeout}`];
  const { stdout, stderr } = await from.try(["ping", ...options, to]);
  const counts = /(\d+) packets transmitted, (\d+) received/.exec(stdout);
  if (!counts && !/unreachable/i.test(stderr)) {
    throw new Error(`${from.name}: ping ${to}: ${stderr.trim() || stdout.trim()}`);
  }
  const rtt = /= [\d.]+\/([\d.]+)\//.exec(stdout);
  return {
    sent: Number(counts?.[1] ?? count),
    received: Number(counts?.[2] ?? 0),
    ...rtt && { rtt: Number(rtt[1]) },
  };
}

/** Packets and bytes counted where all sites' routers meet, since the lab began. */
export interface Crossing {
  /** WireGuard's own messages. */
  readonly sealed: Counter;
  /** Everything else. */
  readonly clear: Counter;
}

export interface Counter {
  readonly packets: number;
  readonly bytes: number;
}

export async function crossing(internet: Namespace): Promise<Crossing> {
  const text = await internet.exec(["nft", "-j", "list", "counters", "table", "inet", "watch"]);
  const { nftables } = JSON.parse(text) as { nftables: { counter?: Counter & { name: string } }[] };
  const find = (name: string): Counter => {
    const counter = nftables.find((entry) => entry.counter?.name === name)?.counter;
    if (!counter) throw new Error(`${internet.name}: no counter ${name}`);
    return { packets: counter.packets, bytes: counter.bytes };
  };
  return { sealed: find("sealed"), clear: find("clear") };
}
