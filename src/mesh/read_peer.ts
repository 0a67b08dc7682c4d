/** From a Peer object to the peer it describes, if it is valid: what the webhook and the agents check. */

import { type Endpoint, isDNSName, parseEndpoint } from "../net/endpoint.ts";
import { parseIP } from "../net/ip.ts";
import { type Key, parseKey } from "../net/key.ts";
import { parsePrefix, type Prefix } from "../net/prefix.ts";
import { quote } from "../net/text.ts";
import type { PeerObject } from "./object.ts";
import type { Peer } from "./peer.ts";

/** The first thing that is wrong with a Peer: the field, its value (never a key) and what it should be. */
export class InvalidPeerError extends Error {
  override readonly name = "InvalidPeerError";
}

export interface ParsedPeer {
  readonly peer: Peer;
  readonly warnings: readonly string[];
}

/** Reads and validates; throws InvalidPeerError. The order of the checks decides what is reported. */
export function parsePeer(object: PeerObject): ParsedPeer {
  const spec = object.spec ?? {};
  const allowedIPs = (spec.allowedIPs ?? []).map((text, at) => parseAllowedIP(text ?? "", at));
  const endpoint = spec.endpoint ? parsePeerEndpoint(spec.endpoint) : undefined;
  const seconds = spec.persistentKeepalive ?? 0;
  if (seconds < 0) throw new InvalidPeerError(`spec.persistentKeepalive: ${seconds} is below 0`);
  const peer: Peer = {
    name: object.metadata.name,
    publicKey: parseKeyField(spec.publicKey ?? "", "publicKey"),
    ...(spec.presharedKey && { presharedKey: parseKeyField(spec.presharedKey, "presharedKey") }),
    ...(endpoint && { endpoint }),
    persistentKeepalive: Math.min(seconds, 65535),
    allowedIPs,
  };
  const warnings = seconds > 65535
    ? [`spec.persistentKeepalive: ${seconds} is more than 65535, which is used instead`]
    : [];
  return { peer, warnings };
}

function parseAllowedIP(text: string, at: number): Prefix {
  const prefix = parsePrefix(text);
  if (prefix) return prefix;
  throw new InvalidPeerError(
    `spec.allowedIPs[${at}]: ${quote(text)} is not an address with prefix length`,
  );
}

/** With a name and an address the name is used. A name that reads as an address is that address. */
function parsePeerEndpoint(
  { dnsOrIP, port }: NonNullable<NonNullable<PeerObject["spec"]>["endpoint"]>,
): Endpoint | undefined {
  const dns = dnsOrIP?.dns ?? "", text = dnsOrIP?.ip ?? "", ip = parseIP(text);
  if (dns === "" && text === "") {
    throw new InvalidPeerError("spec.endpoint.dnsOrIP: neither dns nor ip is given");
  }
  if (dns !== "" && !isDNSName(dns)) {
    throw new InvalidPeerError(
      `spec.endpoint.dnsOrIP.dns: ${quote(dns)} is not a lower-case DNS name (RFC 1123)`,
    );
  }
  if (text !== "" && !ip) {
    throw new InvalidPeerError(`spec.endpoint.dnsOrIP.ip: ${quote(text)} is not an IP address`);
  }
  if (!port || port < 1 || port > 65535) {
    throw new InvalidPeerError(`spec.endpoint.port: ${port ?? 0} is not within 1 to 65535`);
  }
  return dns !== "" ? parseEndpoint(`${dns}:${port}`) : { ip: ip!, port };
}

function parseKeyField(text: string, field: "publicKey" | "presharedKey"): Key {
  const key = parseKey(text);
  if (key) return key;
  throw new InvalidPeerError(`spec.${field} is not base64 of 32 bytes`);
}
