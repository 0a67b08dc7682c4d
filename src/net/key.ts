/** WireGuard keys: 32 bytes of Curve25519 (or a preshared key) in standard base64. */

declare const brand: unique symbol;

/** Canonical base64 of 32 bytes, 44 characters. Private and preshared keys are never logged. */
export type Key = string & { readonly [brand]: "Key" };

/** 32 zero bytes: "no key" in WireGuard's interfaces. */
export const ZERO_KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" as Key;

/** The two bits that 43 characters have more than 32 bytes are zero. */
const CANONICAL = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/;

/** Reads standard base64 with padding of exactly 32 bytes, ignoring line breaks, as Go does. */
export function parseKey(text: string): Key | undefined {
  if (CANONICAL.test(text)) return text as Key;
  const clean = text.replace(/[\r\n]/g, "");
  if (!/^[A-Za-z0-9+/]{43}=$/.test(clean)) return undefined;
  return keyFromBytes(Uint8Array.fromBase64(clean));
}

/** Text of 32 bytes; any other length is a RangeError (without the bytes in it). */
export function keyFromBytes(bytes: Uint8Array): Key {
  if (bytes.length !== 32) throw new RangeError(`a key has 32 bytes, not ${bytes.length}`);
  return bytes.toBase64() as Key;
}

export function keyToBytes(key: Key): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromBase64(key);
}
