/** What the kernel of a machine has of a mesh, as `ip` and `wg` say it. */

import type { Namespace } from "./namespace.ts";

/** Routes that are kg's, of both families and all tables, one `ip route` line each. */
export async function ourRoutes(namespace: Namespace): Promise<string[]> {
  const text = await namespace.script(
    "ip -4 route show table all proto 107; ip -6 route show table all proto 107",
  );
  return lines(text);
}

/** Policy rules that are kg's, one `ip rule` line each. */
export async function ourRules(namespace: Namespace): Promise<string[]> {
  const text = await namespace.script("ip -4 rule show; ip -6 rule show");
  return lines(text).filter((line) => /\bproto 107\b/.test(line));
}

export interface WireGuardPeer {
  /** `address:port`; absent if the device knows none. */
  readonly endpoint?: string;
  readonly allowedIPs: readonly string[];
  /** Unix seconds; 0: never. */
  readonly latestHandshake: number;
}

/** The peers on a WireGuard device, by public key. */
export async function wireGuardPeers(
  namespace: Namespace,
  device = "kilo0",
): Promise<Map<string, WireGuardPeer>> {
  const [, ...peers] = lines(await namespace.exec(["wg", "show", device, "dump"]));
  return new Map(peers.map((line) => {
    const [key, , endpoint, allowedIPs, handshake] = line.split("\t") as string[];
    return [key!, {
      ...endpoint !== "(none)" && { endpoint: endpoint! },
      allowedIPs: allowedIPs === "(none)" ? [] : allowedIPs!.split(","),
      latestHandshake: Number(handshake),
    }];
  }));
}

/** Is the interface up? */
export async function isUp(namespace: Namespace, device = "kilo0"): Promise<boolean> {
  const text = await namespace.exec(["ip", "-o", "link", "show", device]);
  return /[<,]UP[,>]/.test(text);
}

function lines(text: string): string[] {
  return text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
}
