/** Curve25519 keys as WireGuard uses them (RFC 7748 §5). */

import { type Key, keyFromBytes, keyToBytes, ZERO_KEY } from "../net/key.ts";

/** A fresh private key, as `wg genkey` makes it. */
export function generatePrivateKey(): Key {
  return clampPrivateKey(keyFromBytes(crypto.getRandomValues(new Uint8Array(32))));
}

/** A fresh preshared key, as `wg genpsk` makes it; also good as a public key nobody can use. */
export function generatePresharedKey(): Key {
  return keyFromBytes(crypto.getRandomValues(new Uint8Array(32)));
}

/** The private key as a device keeps and reports it: four bits cleared, one set. Zero: none. */
export function clampPrivateKey(key: Key): Key {
  if (key === ZERO_KEY) return key;
  const bytes = keyToBytes(key);
  bytes[0]! &= 0xf8;
  bytes[31] = bytes[31]! & 0x7f | 0x40;
  return keyFromBytes(bytes);
}

// The DER of a PKCS#8 private key (RFC 8410 §7) up to its last 32 bytes, which are the key.
const PKCS8_X25519 = Uint8Array.fromHex("302e020100300506032b656e04220420");
const BASE_POINT = Uint8Array.of(9, ...new Uint8Array(31));

/** The public key of a private key, as `wg pubkey` prints it. */
export async function publicKeyOf(privateKey: Key): Promise<Key> {
  const secret = Uint8Array.of(...PKCS8_X25519, ...keyToBytes(privateKey));
  const [own, base] = await Promise.all([
    crypto.subtle.importKey("pkcs8", secret, "X25519", false, ["deriveBits"]),
    crypto.subtle.importKey("raw", BASE_POINT, "X25519", false, []),
  ]);
  const bits = await crypto.subtle.deriveBits({ name: "X25519", public: base }, own, 256);
  return keyFromBytes(new Uint8Array(bits));
}
