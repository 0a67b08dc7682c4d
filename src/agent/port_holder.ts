/** Who has the UDP port that our WireGuard device wants. */

import type { Host } from "../dataplane/host.ts";
import type { Connection } from "../netlink/connection.ts";
import { processesWithSocket, processName, udpSockets } from "../os/socket_owner.ts";
import { kernelClient } from "../wireguard/kernel.ts";
import { userspaceClient } from "../wireguard/userspace.ts";

/** Milliseconds for a userspace device to answer. */
const TIMEOUT = 500;

/**
 * `WireGuard device wg0` or `process dnsmasq (4711)`; undefined if it cannot be known, as of a process
 * outside of this container. `own`: the name of our own interface.
 */
export async function holderOfPort(
  port: number,
  { host, own, generic }: {
    readonly host: Host;
    readonly own: string;
    /** To generic netlink. */
    readonly generic: Connection;
  },
): Promise<string | undefined> {
  const sockets = udpSockets(port);
  for (const { name, kind, up } of host.links) {
    if (name === own || !up) continue; // one that is down has no socket, whatever port it shows
    const client = kind === "wireguard"
      ? kernelClient(name, generic)
      : userspaceClient(name, { timeout: TIMEOUT });
    const device = await client.read().catch(() => undefined);
    if (device?.listenPort === port) return `WireGuard device ${name}`;
  }
  const [pid] = processesWithSocket(sockets);
  return pid && `process ${processName(pid)} (${pid})`;
}
