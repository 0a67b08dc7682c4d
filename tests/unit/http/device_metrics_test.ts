import assert from "node:assert/strict";
import { deviceMetrics, type PeerCounters } from "../../../src/http/device_metrics.ts";
import { formatMetrics } from "../../../src/http/metrics/exposition.ts";
import { key, prefix } from "../mesh/cluster.ts";

const PEER: PeerCounters = {
  interface: "kilo0",
  publicKey: key(2),
  name: "laptop",
  allowedIPs: [prefix("10.4.0.2/32"), prefix("fd00::/64")],
  lastHandshake: 1_700_000_000_900,
  receivedBytes: 148,
  sentBytes: 2 ** 52,
};

async function series(...peers: PeerCounters[]): Promise<string[]> {
  const text = await formatMetrics(deviceMetrics(peers));
  return text.split("\n").filter((line) => line !== "" && !line.startsWith("# HELP"));
}

Deno.test("deviceMetrics() has the names, types and labels of MindFlavor's exporter", async () => {
  const labels = `{interface="kilo0",public_key="${key(2)}",` +
    `allowed_ips="10.4.0.2/32,fd00::/64",friendly_name="laptop"}`;
  assert.deepEqual(await series(PEER), [
    "# TYPE wireguard_sent_bytes_total counter",
    `wireguard_sent_bytes_total${labels} 4503599627370496`,
    "# TYPE wireguard_received_bytes_total counter",
    `wireguard_received_bytes_total${labels} 148`,
    "# TYPE wireguard_latest_handshake_seconds gauge",
    `wireguard_latest_handshake_seconds${labels} 1700000000`,
  ]);
});

Deno.test("deviceMetrics() shows peers without a name, network or handshake", async () => {
  const { name: _, ...nameless } = PEER;
  const lines = await series({ ...nameless, allowedIPs: [], lastHandshake: 0 });
  const labels = `interface="kilo0",public_key="${key(2)}",allowed_ips="",friendly_name=""`;
  assert.equal(lines.at(-1), `wireguard_latest_handshake_seconds{${labels}} 0`);
});

Deno.test("deviceMetrics() bounds the label of the allowed IPs to 32", async () => {
  const allowedIPs = Array.from(
    { length: 1000 },
    (_, at) => prefix(`10.${at >> 8}.${at & 255}.0/24`),
  );
  const labelOf = async (count: number) => {
    const [, sent] = await series({ ...PEER, allowedIPs: allowedIPs.slice(0, count) });
    return /allowed_ips="([^"]*)"/.exec(sent!)![1]!.split(",");
  };
  assert.deepEqual((await labelOf(32)).slice(31), ["10.0.31.0/24"]);
  assert.deepEqual((await labelOf(1000)).slice(31), ["10.0.31.0/24", "…"]);
});
