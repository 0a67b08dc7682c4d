import assert from "node:assert/strict";
import { generatePrivateKey } from "../../../src/wireguard/key.ts";
import { leaksIn } from "../../lab/secrets.ts";

const KEY = generatePrivateKey();
const HEX = Uint8Array.fromBase64(KEY).toHex();
const OTHER = generatePrivateKey();

Deno.test("leaksIn() finds a known key in base64 and hexadecimal, and pieces of it", () => {
  const texts = [KEY, HEX, HEX.toUpperCase(), KEY.slice(0, 24), KEY.slice(20), HEX.slice(3, 27)];
  for (const text of texts) {
    assert.deepEqual(leaksIn(`fine\n{"msg":"key ${text}!"}\nfine`, [OTHER, KEY]), [2], text);
  }
  assert.deepEqual(leaksIn(`${KEY}\n\n${HEX}`, [KEY]), [1, 3]);
});

Deno.test("leaksIn() finds whatever looks like a key", () => {
  const hex = Uint8Array.fromBase64(OTHER).toHex();
  assert.deepEqual(leaksIn(`${OTHER}\nprivate_key=${hex}`, []), [1, 2]);
});

Deno.test("leaksIn() finds nothing in what agents print", () => {
  const text = `{"ts":"2026-11-23T13:46:15.000000001Z","level":"info","msg":"(key)"}
GET https://127.0.0.1:6443/api/v1/nodes?resourceVersion=18446744073709551615
2001:db8:85a3:8d3:1319:8a2e:370:7348/128 0123456789abcdef0123456789abcdef
${KEY.slice(0, 15)}`;
  assert.deepEqual(leaksIn(text, [KEY]), []);
});
