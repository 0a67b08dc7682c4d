/**
 * Counters of each peer of the WireGuard device, under the names and labels of MindFlavor's
 * prometheus_wireguard_exporter, so that its dashboards work.
 */

import type { Key } from "../net/key.ts";
import { formatPrefix, type Prefix } from "../net/prefix.ts";
import type { Metric } from "./metrics/exposition.ts";

/** A peer of the device, as it was last polled. */
export interface PeerCounters {
  readonly interface: string;
  readonly publicKey: Key;
  /** Of the Node or Peer object; undefined if it is not known any more. */
  readonly name?: string | undefined;
  readonly allowedIPs: readonly Prefix[];
  /** Milliseconds since the Unix epoch; 0: never. */
  readonly lastHandshake: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

/** So many allowed IPs are in the label; an ellipsis stands for the others. */
const MAX_ALLOWED_IPS = 32;

/** Three metrics with a series for each of these peers. */
export function deviceMetrics(peers: Iterable<PeerCounters>): Metric[] {
  const labelled = Array.from(peers, (peer) => ({ labels: labelsOf(peer), peer }));
  const samples = (valueOf: (peer: PeerCounters) => number) =>
    labelled.map(({ labels, peer }) => ({ labels, value: valueOf(peer) }));
  return [
    {
      name: "wireguard_sent_bytes_total",
      help: "Bytes sent to the peer.",
      type: "counter",
      samples: samples(({ sentBytes }) => sentBytes),
    },
    {
      name: "wireguard_received_bytes_total",
      help: "Bytes received from the peer.",
      type: "counter",
      samples: samples(({ receivedBytes }) => receivedBytes),
    },
    {
      name: "wireguard_latest_handshake_seconds",
      help: "When the last handshake with the peer was, in seconds since the Unix epoch.",
      type: "gauge",
      samples: samples(({ lastHandshake }) => Math.floor(lastHandshake / 1000)),
    },
  ];
}

function labelsOf(
  { interface: name, publicKey, allowedIPs, name: friendlyName = "" }: PeerCounters,
) {
  const shown = allowedIPs.slice(0, MAX_ALLOWED_IPS).map(formatPrefix);
  if (allowedIPs.length > MAX_ALLOWED_IPS) shown.push("…");
  return {
    interface: name,
    public_key: publicKey,
    allowed_ips: shown.join(","),
    friendly_name: friendlyName,
  };
}
