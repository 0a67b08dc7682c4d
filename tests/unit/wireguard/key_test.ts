import assert from "node:assert/strict";
import { keyFromBytes, keyToBytes, parseKey, ZERO_KEY } from "../../../src/net/key.ts";
import { clampPrivateKey, generatePrivateKey, publicKeyOf } from "../../../src/wireguard/key.ts";

Deno.test("publicKeyOf() gives the public key of RFC 7748 §6.1", async () => {
  const secret = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb";
  const key = await publicKeyOf(keyFromBytes(Uint8Array.fromHex(secret)));
  const expected = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f";
  assert.equal(keyToBytes(key).toHex(), expected);
});

Deno.test("publicKeyOf() agrees with wg pubkey", async () => {
  // wg pubkey <<< …
  const pairs = [
    [
      "AAcOFRwjKjE4P0ZNVFtiaXB3foWMk5qhqK+2vcTL0tk=",
      "F32PIx9sq4nqA/kNLy1T3ZuhPHiUfV2FuD1JRRTgtxQ=",
    ],
    [
      "//////////////////////////////////////////8=",
      "hHwNLDdSNPNl5mCVUYejc1oPdhPRYJ06ak2MU66qWiI=",
    ],
    [
      "dwdtCnMYpX08FsFyUbJmRd9PwT+NjR1e89bZ5/PT86M=",
      "u+WpFdsK6rj1bPqUjC0omwsKVY/6MEJoMxxNk/RRvVk=",
    ],
    [
      "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=",
      "/TOE4TKtAqVsePRVR+5AA43HkAK5DSntkOCO7nYq5xU=",
    ],
  ] as const;
  for (const [secret, publicKey] of pairs) {
    assert.equal(await publicKeyOf(parseKey(secret)!), publicKey);
  }
});

Deno.test("publicKeyOf() does not depend on the bits that clamping sets", async () => {
  const key = keyFromBytes(crypto.getRandomValues(new Uint8Array(32)));
  assert.equal(await publicKeyOf(key), await publicKeyOf(clampPrivateKey(key)));
});

Deno.test("generatePrivateKey() makes clamped keys, never one twice", () => {
  const keys = Array.from({ length: 100 }, generatePrivateKey);
  assert.equal(new Set(keys).size, 100);
  for (const key of keys) {
    const bytes = keyToBytes(key);
    assert.equal(bytes[0]! & 7, 0);
    assert.equal(bytes[31]! >> 6, 1);
  }
});

Deno.test("clampPrivateKey() leaves no key no key", () => {
  assert.equal(clampPrivateKey(ZERO_KEY), ZERO_KEY);
});
