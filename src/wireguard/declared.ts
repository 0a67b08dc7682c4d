/** Remembers declared endpoints, to find the peers that are declared at another one now. */

import type { DeviceConfig, PeerConfig } from "../net/device.ts";
import type { Endpoint } from "../net/endpoint.ts";
import { equalIP } from "../net/ip.ts";
import type { Key } from "../net/key.ts";

/** By public key; undefined: without an endpoint. A key that is not in it is new, or not known yet. */
export type Declared = ReadonlyMap<Key, Endpoint | undefined>;

/** As declared now. A name without an address leaves what was known before. */
export function declaredEndpoints({ peers }: DeviceConfig, before: Declared): Declared {
  const declared = new Map<Key, Endpoint | undefined>();
  for (const { publicKey, endpoint } of peers) {
    if (!endpoint || endpoint.ip) declared.set(publicKey, endpoint);
    else if (before.has(publicKey)) declared.set(publicKey, before.get(publicKey));
  }
  return declared;
}

/** Is the peer declared at another address of its endpoint's family than before? */
export function isRedeclared(
  { publicKey, endpoint }: Pick<PeerConfig, "publicKey" | "endpoint">,
  before: Declared,
): boolean {
  if (!endpoint?.ip || !before.has(publicKey)) return false;
  const { family } = endpoint.ip;
  const last = before.get(publicKey);
  const ip = [last?.ip, last?.alternative].find((ip) => ip?.family === family);
  return last?.port !== endpoint.port || !equalIP(ip, endpoint.ip);
}
